/// x, then y, in pixels: (0, 0) is the top left corner of the top left pixel.
public struct Point: Hashable, Sendable {
    public let x: Double
    public let y: Double

    public init(x: Double, y: Double) {
        self.x = x
        self.y = y
    }
}
