/// A mask in COCO's compressed run-length encoding, as goldens.json has it. Runs go down the columns, and the
/// first run is background.
public struct RunLengthEncoding: Hashable, Sendable {
    public let size: PixelSize
    /// The lengths of the runs as text. Source: `rleToString` in cocoapi's `maskApi.c`.
    public let counts: String

    public init(size: PixelSize, counts: String) {
        self.size = size
        self.counts = counts
    }

    public init(_ mask: Mask) {
        size = mask.size
        counts = Self.characters(of: Self.runs(of: mask))
    }

    /// The lengths of the runs.
    ///
    /// - Throws: `ArtifactError` if `counts` is damaged.
    public func runs() throws -> [Int] {
        var runs: [Int] = []
        var bytes = counts.utf8.makeIterator()
        while let character = bytes.next() {
            var (bits, last) = try Self.bits(of: character)
            var number = bits
            var shift = 5
            while !last {
                guard let next = bytes.next(), shift < 60 else { throw Self.damaged }
                (bits, last) = try Self.bits(of: next)
                number |= bits << shift
                shift += 5
            }
            if bits & 0x10 != 0 { number -= 1 << shift }
            // From the fourth number on, each is the difference to the number two before it.
            if runs.count > 2 { number += runs[runs.count - 2] }
            guard (0...Int(Int32.max)).contains(number) else { throw Self.damaged }
            runs.append(number)
        }
        return runs
    }

    /// - Throws: `ArtifactError` if `counts` is damaged, or the runs do not add up to the size.
    public func decode() throws -> Mask {
        let runs = try runs()
        guard runs.reduce(0, +) == size.area else { throw Self.damaged }
        var pixels = [Bool](repeating: false, count: size.area)
        var position = 0
        for (index, run) in runs.enumerated() {
            if index % 2 == 1 {
                for at in position..<(position + run) {
                    pixels[at % size.height * size.width + at / size.height] = true
                }
            }
            position += run
        }
        return Mask(size: size, pixels: pixels)
    }

    private static let damaged = ArtifactError(
        "not a mask: expected compressed COCO RLE whose runs fill its size; copy the artifact again")

    /// Five bits of a number, the lowest first, and whether they are the last (`rleFrString`).
    private static func bits(of character: UInt8) throws -> (bits: Int, last: Bool) {
        let code = Int(character) - 48
        guard (0..<64).contains(code) else { throw damaged }
        return (code & 0x1F, code & 0x20 == 0)
    }

    private static func runs(of mask: Mask) -> [Int] {
        var runs = [0]
        var inside = false
        for column in 0..<mask.size.width {
            for row in 0..<mask.size.height {
                if mask.pixels[row * mask.size.width + column] != inside {
                    inside.toggle()
                    runs.append(0)
                }
                runs[runs.count - 1] += 1
            }
        }
        return runs
    }

    private static func characters(of runs: [Int]) -> String {
        var characters: [UInt8] = []
        for (index, run) in runs.enumerated() {
            var number = index > 2 ? run - runs[index - 2] : run
            var more = true
            while more {
                let bits = number & 0x1F
                number >>= 5
                more = bits & 0x10 == 0 ? number != 0 : number != -1
                characters.append(UInt8(48 + bits + (more ? 0x20 : 0)))
            }
        }
        return String(decoding: characters, as: UTF8.self)
    }
}

/// goldens.json has an encoding as `{"size": [height, width], "counts": "…"}`.
extension RunLengthEncoding: Decodable {
    private enum CodingKeys: String, CodingKey {
        case size, counts
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let sides = try container.decode([Int].self, forKey: .size)
        guard sides.count == 2, sides.allSatisfy({ (1...(1 << 16)).contains($0) }) else {
            throw DecodingError.dataCorruptedError(
                forKey: .size, in: container, debugDescription: "expected [height, width]")
        }
        size = PixelSize(height: sides[0], width: sides[1])
        counts = try container.decode(String.self, forKey: .counts)
    }
}
