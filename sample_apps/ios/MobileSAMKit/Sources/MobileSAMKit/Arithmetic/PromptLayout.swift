/// How many slots a mask decoder has, and what is written into them: `prompt_slots` and `prompts` of
/// manifest.json.
public struct PromptLayout: Hashable, Sendable {
    public let slots: Int
    public let labels: PromptLabels
    /// What a slot without a point holds, in pixels of the frame.
    public let emptySlotCoordinates: Point

    public init(slots: Int, labels: PromptLabels, emptySlotCoordinates: Point) {
        self.slots = slots
        self.labels = labels
        self.emptySlotCoordinates = emptySlotCoordinates
    }
}

/// The label of each kind of slot: `prompts.labels` of manifest.json.
public struct PromptLabels: Hashable, Sendable {
    public let backgroundPoint: Int
    public let objectPoint: Int
    public let boxTopLeft: Int
    public let boxBottomRight: Int
    public let emptySlot: Int

    public init(
        backgroundPoint: Int, objectPoint: Int, boxTopLeft: Int, boxBottomRight: Int, emptySlot: Int
    ) {
        self.backgroundPoint = backgroundPoint
        self.objectPoint = objectPoint
        self.boxTopLeft = boxTopLeft
        self.boxBottomRight = boxBottomRight
        self.emptySlot = emptySlot
    }
}
