@_exported import CoreGraphics
@_exported import Foundation

@MainActor open class UIResponder: NSObject {}

@MainActor open class UIApplication: UIResponder {
    nonisolated public class var didReceiveMemoryWarningNotification: NSNotification.Name {
        fatalError()
    }
}

@MainActor open class UIViewController: UIResponder {
    public override init() {}
}

@MainActor open class UINavigationController: UIViewController {}

@MainActor public protocol UINavigationControllerDelegate: NSObjectProtocol {}

@MainActor public protocol UIImagePickerControllerDelegate: NSObjectProtocol {
    func imagePickerController(
        _ picker: UIImagePickerController,
        didFinishPickingMediaWithInfo info: [UIImagePickerController.InfoKey: Any])
    func imagePickerControllerDidCancel(_ picker: UIImagePickerController)
}

@MainActor open class UIImagePickerController: UINavigationController {
    public enum SourceType: Int, Sendable {
        case photoLibrary, camera
    }
    public struct InfoKey: Hashable, Sendable {
        public static let originalImage = InfoKey()
    }
    open class func isSourceTypeAvailable(_ sourceType: SourceType) -> Bool { fatalError() }
    open var sourceType: SourceType = .camera
    open weak var delegate: (any UIImagePickerControllerDelegate & UINavigationControllerDelegate)?
}

open class UIImage: NSObject, @unchecked Sendable {
    public func jpegData(compressionQuality: CGFloat) -> Data? { fatalError() }
}
