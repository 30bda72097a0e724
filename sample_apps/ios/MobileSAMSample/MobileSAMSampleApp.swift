import SwiftUI
import UIKit

@main
struct MobileSAMSampleApp: App {
    @StateObject private var model = SegmentationModel()

    var body: some Scene {
        WindowGroup {
            ContentView(model: model)
                .task { await model.start() }
                .onReceive(
                    NotificationCenter.default.publisher(
                        for: UIApplication.didReceiveMemoryWarningNotification)
                ) { _ in model.releaseMemory() }
        }
    }
}
