/// x to the right, then y down, in pixels from the top left corner of a photo or of a frame.
public struct Point: Hashable, Sendable {
    public let x: Double
    public let y: Double

    public init(x: Double, y: Double) {
        self.x = x
        self.y = y
    }
}
