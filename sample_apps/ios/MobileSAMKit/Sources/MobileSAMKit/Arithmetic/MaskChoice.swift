/// Which of the decoder's masks is shown: `masks` of manifest.json.
public struct MaskChoice: Hashable, Sendable {
    public let singleMaskIndex: Int
    public let multimaskIndices: [Int]

    public init(singleMaskIndex: Int, multimaskIndices: [Int]) {
        self.singleMaskIndex = singleMaskIndex
        self.multimaskIndices = multimaskIndices
    }

    /// Index of the mask to show. For an ambiguous prompt, which is a single point and nothing else, it is
    /// the guess with the highest score, and the first of equals.
    public func shown(_ prompt: Prompt, scores: [Float], hasMaskInput: Bool = false) -> Int {
        let ambiguous = prompt.points.count == 1 && prompt.box == nil && !hasMaskInput
        guard ambiguous else { return singleMaskIndex }
        // `max` returns the first of equals.
        return multimaskIndices.max { scores[$0] < scores[$1] } ?? singleMaskIndex
    }
}
