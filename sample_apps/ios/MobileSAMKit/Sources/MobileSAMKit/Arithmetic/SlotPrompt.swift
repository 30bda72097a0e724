/// A prompt in the fixed slots of the mask decoder (converters/prompt_slots.py).
public struct SlotPrompt: Hashable, Sendable {
    /// x, y of each slot in turn, in pixels of the frame: two numbers a slot.
    public let pointCoords: [Float]
    /// One label a slot.
    public let pointLabels: [Float]
    /// Logits of an earlier answer for the same photo, rows from the top; nil: none.
    public let maskInput: [Float]?

    /// Points take one slot each and come first, a box takes two; empty slots fill the rest.
    ///
    /// - Parameters:
    ///   - prompt: in pixels of the frame.
    ///   - layout: how many slots there are, and what labels and empty slots hold.
    /// - Throws: `MobileSAMError` if the prompt takes more slots than there are.
    public init(_ prompt: Prompt, maskInput: [Float]? = nil, layout: PromptLayout) throws {
        let labels = layout.labels
        var filled: [(point: Point, label: Int)] = prompt.points.map {
            ($0.point, $0.isObject ? labels.objectPoint : labels.backgroundPoint)
        }
        if let box = prompt.box {
            filled.append((box.topLeft, labels.boxTopLeft))
            filled.append((box.bottomRight, labels.boxBottomRight))
        }
        guard filled.count <= layout.slots else {
            throw MobileSAMError(
                "the prompt takes \(filled.count) slots (a point one, a box two) and this artifact has "
                    + "\(layout.slots): use fewer points, or convert with --prompt-slots \(filled.count)"
            )
        }
        let empty = (point: layout.emptyCoordinates, label: labels.emptySlot)
        filled += repeatElement(empty, count: layout.slots - filled.count)
        pointCoords = filled.flatMap { [Float($0.point.x), Float($0.point.y)] }
        pointLabels = filled.map { Float($0.label) }
        self.maskInput = maskInput
    }
}
