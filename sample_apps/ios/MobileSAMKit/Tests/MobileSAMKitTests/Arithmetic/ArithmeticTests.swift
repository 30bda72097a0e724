import XCTest

@testable import MobileSAMKit

/// The arithmetic gives the numbers of the Python reference.
final class ArithmeticTests: XCTestCase {
    private var vectors: GoldenVectors!

    override func setUpWithError() throws {
        vectors = try GoldenVectors.read()
    }

    func testGeometry() {
        XCTAssertFalse(vectors.geometry.isEmpty)
        for vector in vectors.geometry {
            let geometry = FrameGeometry(
                photo: PixelSize(vector.photo), frameSize: vector.frameSize)
            XCTAssertEqual(geometry.resized, PixelSize(vector.resized), "\(vector.photo)")
            for (point, expected) in zip(vector.points, vector.pointsInFrame) {
                let inFrame = geometry.toFrame(Point(x: point[0], y: point[1]))
                XCTAssertEqual(inFrame.x, expected[0], accuracy: 1e-5)
                XCTAssertEqual(inFrame.y, expected[1], accuracy: 1e-5)
            }
        }
    }

    func testResizingIsPillowsBitByBit() {
        XCTAssertFalse(vectors.resize.isEmpty)
        for vector in vectors.resize {
            let size = PixelSize(height: vector.photo.height, width: vector.photo.width)
            let photo = Photo(size: size, rgb: Array(vector.photo.rgb))
            let frame = Frame(
                photo, frameSize: vector.frameSize, paddingRgb: vector.paddingRgb)
            XCTAssertEqual(frame.rgb, Array(vector.frame), "\(size)")
        }
    }

    func testPromptsInSlots() throws {
        XCTAssertFalse(vectors.slots.isEmpty)
        let labels = PromptLabels(
            backgroundPoint: 0, objectPoint: 1, boxTopLeft: 2, boxBottomRight: 3, emptySlot: -2)
        let identity = FrameGeometry(
            photo: PixelSize(height: 1024, width: 1024), frameSize: 1024)
        for vector in vectors.slots {
            let layout = PromptLayout(
                slots: vector.promptSlots, labels: labels, emptySlotCoordinates: Point(x: 0, y: 0))
            let prompt = Prompt(
                points: zip(vector.points, vector.labels).map {
                    .init(Point(x: $0[0], y: $0[1]), isObject: $1 == 1)
                },
                box: vector.box.map {
                    .init(Point(x: $0[0], y: $0[1]), Point(x: $0[2], y: $0[3]))
                })
            if vector.error == true {
                XCTAssertThrowsError(
                    try SlotPrompt(prompt, geometry: identity, layout: layout)
                ) {
                    XCTAssertTrue($0.localizedDescription.contains("--prompt-slots 3"))
                }
                continue
            }
            let filled = try SlotPrompt(prompt, geometry: identity, layout: layout)
            XCTAssertEqual(filled.pointCoords, vector.pointCoords?.flatMap { $0 })
            XCTAssertEqual(filled.pointLabels, vector.pointLabels)
            XCTAssertNil(filled.maskInput)
        }
    }

    func testMasksAtThePhotosSize() throws {
        XCTAssertFalse(vectors.masks.isEmpty)
        for vector in vectors.masks {
            let resizer = MaskResizer(
                geometry: .init(photo: PixelSize(vector.photo), frameSize: vector.frameSize),
                lowResSize: vector.lowRes.size)
            let lowRes = vector.lowRes.logits.floats
            let logits = resizer.logits(lowRes)
            let expected = vector.logits.floats
            XCTAssertEqual(logits.count, expected.count)
            let largest = expected.map(abs).max() ?? 0
            let difference = zip(logits, expected).map { abs($0 - $1) }.max() ?? .infinity
            XCTAssertLessThanOrEqual(difference, 1e-5 * largest)
            let mask = resizer.mask(lowRes, threshold: 0)
            XCTAssertEqual(RunLengthEncoding(mask), vector.mask)
        }
    }

    func testRunLengths() throws {
        XCTAssertFalse(vectors.rle.isEmpty)
        for vector in vectors.rle {
            let encoding = RunLengthEncoding(
                size: PixelSize(vector.size), counts: vector.counts)
            XCTAssertEqual(try encoding.runs(), vector.runs)
            let mask = try encoding.decode()
            XCTAssertEqual(mask.area, vector.area)
            let (x, y, width, height) = (
                vector.bbox[0], vector.bbox[1], vector.bbox[2], vector.bbox[3]
            )
            XCTAssertEqual(
                mask.boundingBox,
                PixelBox(left: x, top: y, right: x + width, bottom: y + height))
            XCTAssertEqual(RunLengthEncoding(mask), encoding)
        }
    }

    func testDamagedRunLengthsAreRefused() {
        for counts in ["", "5", "~", "o", "ooooooooooooo0", "ON"] {
            let encoding = RunLengthEncoding(
                size: PixelSize(height: 2, width: 2), counts: counts)
            XCTAssertThrowsError(try encoding.decode(), "'\(counts)'")
        }
    }

    func testSizesThatNoMaskHasAreRefused() throws {
        func read(_ size: String) throws -> RunLengthEncoding {
            try JSONDecoder().decode(
                RunLengthEncoding.self, from: Data(#"{"size": \#(size), "counts": "4"}"#.utf8))
        }
        XCTAssertEqual(try read("[2, 3]").size, PixelSize(height: 2, width: 3))
        for size in ["[2]", "[-1, 2]", "[0, 2]", "[1099511627776, 1099511627776]", "[1, 2, 3]"] {
            XCTAssertThrowsError(try read(size), size)
        }
    }

    func testIntersectionOverUnion() throws {
        XCTAssertFalse(vectors.iou.isEmpty)
        for vector in vectors.iou {
            let iou = try vector.a.decode().iou(try vector.b.decode())
            XCTAssertEqual(iou, vector.iou, accuracy: 1e-9)
        }
    }

    func testWhichMaskIsShown() {
        XCTAssertFalse(vectors.choice.isEmpty)
        let choice = MaskChoice(singleMaskIndex: 0, multimaskIndices: [1, 2, 3])
        let corner = Point(x: 0, y: 0)
        for vector in vectors.choice {
            let prompt = Prompt(
                points: Array(
                    repeating: .init(corner, isObject: true), count: vector.points),
                box: vector.hasBox ? .init(corner, corner) : nil,
                maskInput: vector.hasMask ? [0] : nil)
            let shown = choice.shown(prompt, scores: vector.scores.map { $0 ?? .nan })
            XCTAssertEqual(shown, vector.shown, "\(vector)")
        }
    }

    func testPhotosAreTurnedUpright() {
        // The letter F as a camera stores it, for each of the eight ways to hold the camera (Exif 2.3, table
        // 6).
        let stored: [[String]] = [
            ["##", "# ", "##", "# "], ["##", " #", "##", " #"],
            [" #", "##", " #", "##"], ["# ", "##", "# ", "##"],
            ["####", "# # "], ["# # ", "####"], [" # #", "####"], ["####", " # #"],
        ]
        for (index, rows) in stored.enumerated() {
            let upright = photo(rows).upright(exifOrientation: index + 1)
            XCTAssertEqual(upright, photo(stored[0]), "orientation \(index + 1)")
        }
        XCTAssertEqual(photo(stored[5]).upright(exifOrientation: 0), photo(stored[5]))
    }

    private func photo(_ rows: [String]) -> Photo {
        let rgb = rows.joined().flatMap { $0 == "#" ? [1, 2, 3] : [7, 8, 9] as [UInt8] }
        return Photo(size: PixelSize(height: rows.count, width: rows[0].count), rgb: rgb)
    }
}
