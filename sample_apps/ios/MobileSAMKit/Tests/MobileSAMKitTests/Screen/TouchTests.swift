import XCTest

@testable import MobileSAMKit

/// Touches on the screen become prompts in pixels of the photo.
final class TouchTests: XCTestCase {
    private let layout = PhotoLayout(
        photo: PixelSize(height: 400, width: 800), width: 200, height: 200)

    func testAPhotoFillsTheViewAndKeepsItsShape() {
        XCTAssertEqual(layout.width, 200)
        XCTAssertEqual(layout.height, 100)
        let portrait = PhotoLayout(
            photo: PixelSize(height: 800, width: 400), width: 300, height: 200)
        XCTAssertEqual(portrait.width, 100)
        XCTAssertEqual(portrait.height, 200)
    }

    func testPointsGoToThePhotoAndBack() {
        let point = Point(x: 50, y: 75)
        XCTAssertEqual(layout.toPhoto(point), Point(x: 200, y: 300))
        XCTAssertEqual(layout.toView(layout.toPhoto(point)), point)
    }

    func testAFingerThatLeavesThePhotoEndsAtItsEdge() {
        XCTAssertEqual(layout.toPhoto(Point(x: -5, y: 130)), Point(x: 0, y: 400))
    }

    func testAViewWithoutSizeHasNoPoints() {
        let nothing = PhotoLayout(photo: layout.photo, width: 0, height: 0)
        XCTAssertEqual(nothing.toPhoto(Point(x: 3, y: 4)), Point(x: 0, y: 0))
    }

    func testTapHoldAndDrag() {
        let start = Point(x: 50, y: 50)
        let near = Point(x: 61, y: 39)
        let far = Point(x: 50, y: 62)
        let pixel = Point(x: 200, y: 200)
        XCTAssertEqual(Touch(from: start, to: near, seconds: 0.49, in: layout), .tap(pixel))
        XCTAssertEqual(Touch(from: start, to: near, seconds: 0.5, in: layout), .hold(pixel))
        XCTAssertEqual(
            Touch(from: start, to: far, seconds: 2, in: layout),
            .drag(pixel, Point(x: 200, y: 248)))
    }

    func testTouchesBecomeAPrompt() {
        let (here, there) = (Point(x: 1, y: 9), Point(x: 5, y: 2))
        let prompt = Prompt().adding(.tap(here)).adding(.drag(here, here)).adding(.hold(there))
            .adding(.drag(there, here))
        XCTAssertEqual(
            prompt.points, [.init(here, isObject: true), .init(there, isObject: false)])
        XCTAssertEqual(prompt.box?.topLeft, Point(x: 1, y: 2))
        XCTAssertEqual(prompt.box?.bottomRight, Point(x: 5, y: 9))
    }
}
