import SwiftUI
import UIKit

/// The system's camera.
struct CameraView: UIViewControllerRepresentable {
    /// Called with the photo's file, or with nil if no photo was taken.
    let onEnd: @MainActor (Data?) -> Void

    static var isAvailable: Bool { UIImagePickerController.isSourceTypeAvailable(.camera) }

    func makeUIViewController(context: Context) -> UIImagePickerController {
        let controller = UIImagePickerController()
        controller.sourceType = .camera
        controller.delegate = context.coordinator
        return controller
    }

    func updateUIViewController(_ controller: UIImagePickerController, context: Context) {}

    func makeCoordinator() -> Coordinator {
        Coordinator(onEnd: onEnd)
    }

    final class Coordinator: NSObject, UIImagePickerControllerDelegate, UINavigationControllerDelegate {
        private let onEnd: @MainActor (Data?) -> Void

        init(onEnd: @escaping @MainActor (Data?) -> Void) {
            self.onEnd = onEnd
        }

        func imagePickerController(
            _ picker: UIImagePickerController,
            didFinishPickingMediaWithInfo info: [UIImagePickerController.InfoKey: Any]
        ) {
            let image = info[.originalImage] as? UIImage
            // A file says how the camera was held; an image's pixels do not.
            onEnd(image?.jpegData(compressionQuality: 1))
        }

        func imagePickerControllerDidCancel(_ picker: UIImagePickerController) {
            onEnd(nil)
        }
    }
}
