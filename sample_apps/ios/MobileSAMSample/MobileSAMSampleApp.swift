import SwiftUI
import UIKit

@main
struct MobileSAMSampleApp: App {
    @StateObject private var session = Session()

    var body: some Scene {
        WindowGroup {
            ContentView(session: session)
                .task { await session.start() }
                .onReceive(
                    NotificationCenter.default.publisher(
                        for: UIApplication.didReceiveMemoryWarningNotification)
                ) { _ in session.releaseMemory() }
        }
    }
}
