/// A prompt in the fixed slots of the mask decoder (`SlotPrompt` in converters/prompt_slots.py).
public struct SlotPrompt: Hashable, Sendable {
    /// x, y of each slot, in pixels of the frame.
    public let pointCoords: [Float]
    /// The label of each slot.
    public let pointLabels: [Float]
    /// Low-resolution logits of one mask of an earlier answer about the same photo, row by row from the top;
    /// or nil.
    public let maskInput: [Float]?

    /// Fill the slots with the points and then the two corners of the box. The remaining slots are empty.
    ///
    /// - Parameters:
    ///   - prompt: in pixels of the frame.
    ///   - layout: how many slots there are, and what their labels mean.
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
