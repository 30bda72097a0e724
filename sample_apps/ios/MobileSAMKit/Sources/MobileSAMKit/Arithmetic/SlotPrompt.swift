/// A prompt in the fixed slots of the mask decoder (`SlotPrompt` in converters/prompt_slots.py).
public struct SlotPrompt: Hashable, Sendable {
    /// x, y of each slot, in pixels of the frame.
    public let pointCoords: [Float]
    /// The label of each slot.
    public let pointLabels: [Float]
    /// Low-resolution logits of one mask of an earlier answer about the same photo, row by row from the top;
    /// or nil.
    public let maskInput: [Float]?

    public init(pointCoords: [Float], pointLabels: [Float], maskInput: [Float]? = nil) {
        self.pointCoords = pointCoords
        self.pointLabels = pointLabels
        self.maskInput = maskInput
    }

    /// Fill the slots with the points and then the two corners of the box. The remaining slots are empty.
    ///
    /// - Parameters:
    ///   - prompt: in pixels of the photo.
    ///   - geometry: where in the frame the photo lies.
    ///   - layout: how many slots there are, and what is written into them.
    /// - Throws: `PromptError` if the prompt takes more slots than there are.
    public init(_ prompt: Prompt, geometry: FrameGeometry, layout: PromptLayout) throws {
        let labels = layout.labels
        var filled: [(point: Point, label: Int)] = prompt.points.map {
            (geometry.toFrame($0.point), $0.isObject ? labels.objectPoint : labels.backgroundPoint)
        }
        if let box = prompt.box {
            filled.append((geometry.toFrame(box.topLeft), labels.boxTopLeft))
            filled.append((geometry.toFrame(box.bottomRight), labels.boxBottomRight))
        }
        guard filled.count <= layout.slots else {
            throw PromptError(
                "the prompt takes \(filled.count) slots (a point takes one, a box takes two) and this artifact has "
                    + "\(layout.slots): use fewer points, or convert with --prompt-slots \(filled.count)"
            )
        }
        let empty = (point: layout.emptySlotCoordinates, label: labels.emptySlot)
        filled += repeatElement(empty, count: layout.slots - filled.count)
        self.init(
            pointCoords: filled.flatMap { [Float($0.point.x), Float($0.point.y)] },
            pointLabels: filled.map { Float($0.label) }, maskInput: prompt.maskInput)
    }
}
