/// A rectangle of pixels. `left` and `top` are its first column and row, and `right` and `bottom` are the first
/// ones after it: `right - left` is its width. All are 0 if it has no pixel.
public struct PixelBox: Hashable, Sendable {
    public let left: Int
    public let top: Int
    public let right: Int
    public let bottom: Int

    public init(left: Int, top: Int, right: Int, bottom: Int) {
        self.left = left
        self.top = top
        self.right = right
        self.bottom = bottom
    }
}
