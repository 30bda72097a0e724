/// Which of the decoder's masks is shown: `masks` of manifest.json.
public struct MaskChoice: Hashable, Sendable {
    public let singleMaskIndex: Int
    public let multimaskIndices: [Int]

    public init(singleMaskIndex: Int, multimaskIndices: [Int]) {
        self.singleMaskIndex = singleMaskIndex
        self.multimaskIndices = multimaskIndices
    }

    /// For a single point and nothing else, which is ambiguous, the best-scored of the guesses; otherwise the
    /// one answer.
    public func shown(_ prompt: Prompt, scores: [Float], hasMaskInput: Bool = false) -> Int {
        let ambiguous = prompt.points.count == 1 && prompt.box == nil && !hasMaskInput
        guard ambiguous else { return singleMaskIndex }
        // Of equals, `max` gives the first.
        return multimaskIndices.max { scores[$0] < scores[$1] } ?? singleMaskIndex
    }
}
