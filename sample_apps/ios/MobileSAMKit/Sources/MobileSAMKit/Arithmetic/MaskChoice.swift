/// Which of the decoder's masks is shown: `masks` of manifest.json.
public struct MaskChoice: Hashable, Sendable {
    /// Index of the mask that answers an unambiguous prompt.
    public let singleMaskIndex: Int
    /// Indices of the guesses for an ambiguous prompt, which is a single point.
    public let multimaskIndices: [Int]

    public init(singleMaskIndex: Int, multimaskIndices: [Int]) {
        self.singleMaskIndex = singleMaskIndex
        self.multimaskIndices = multimaskIndices
    }

    /// Index of the mask to show. For an ambiguous prompt it is the guess with the highest score, and the
    /// first of equals. A score of NaN counts as the lowest.
    public func shown(_ prompt: Prompt, scores: [Float]) -> Int {
        guard prompt.isAmbiguous else { return singleMaskIndex }
        // `max` returns the first of equals.
        return multimaskIndices.max { ranked(scores[$0]) < ranked(scores[$1]) } ?? singleMaskIndex
    }

    private func ranked(_ score: Float) -> Float {
        score.isNaN ? -.infinity : score
    }
}
