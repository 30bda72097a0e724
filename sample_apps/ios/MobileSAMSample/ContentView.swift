import MobileSAMKit
import PhotosUI
import SwiftUI

/// The app's only screen: a photo, its status and the buttons.
struct ContentView: View {
    @ObservedObject var session: Session
    @State private var chosen: PhotosPickerItem?
    @State private var showsCamera = false

    var body: some View {
        VStack(spacing: 12) {
            photo
            StatusView(state: session.state)
            HStack(spacing: 24) {
                PhotosPicker(selection: $chosen, matching: .images) {
                    Label("Choose photo", systemImage: "photo.on.rectangle")
                }
                .disabled(!session.state.canOpenPhotos)
                if CameraView.isAvailable {
                    button("Take photo", "camera") { showsCamera = true }
                        .disabled(!session.state.canOpenPhotos)
                }
                button("Undo", "arrow.uturn.backward") { session.undo() }
                    .disabled(session.state.prompts.isEmpty)
                button("Clear", "trash") { session.clear() }
                    .disabled(session.state.prompts.isEmpty)
            }
            .labelStyle(.iconOnly)
            .font(.title2)
            .frame(minHeight: 44)
        }
        .padding(16)
        .onChange(of: chosen) { item in
            guard let item else { return }
            session.openPhoto { try await item.loadTransferable(type: Data.self) }
            chosen = nil
        }
        .fullScreenCover(isPresented: $showsCamera) {
            CameraView { data in
                showsCamera = false
                if let data { session.openPhoto { data } }
            }
        }
    }

    @ViewBuilder private var photo: some View {
        if let photo = session.state.photo {
            PhotoView(
                photo: photo, mask: session.state.mask, prompt: session.state.prompt,
                onTouch: session.add)
        } else {
            Spacer()
        }
    }

    private func button(
        _ title: LocalizedStringKey, _ symbol: String, _ action: @escaping () -> Void
    ) -> some View {
        Button(action: action) { Label(title, systemImage: symbol) }
    }
}
