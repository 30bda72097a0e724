/// How many slots a mask decoder has, and what its labels mean: `prompt_slots` and `prompts` of
/// manifest.json.
public struct PromptLayout: Hashable, Sendable {
    public let slots: Int
    public let labels: PromptLabels
    public let emptyCoordinates: Point

    public init(slots: Int, labels: PromptLabels, emptyCoordinates: Point) {
        self.slots = slots
        self.labels = labels
        self.emptyCoordinates = emptyCoordinates
    }
}

/// The label of each kind of slot: `prompts.labels` of manifest.json.
public struct PromptLabels: Hashable, Sendable, Decodable {
    public let backgroundPoint: Int
    public let objectPoint: Int
    public let boxTopLeft: Int
    public let boxBottomRight: Int
    public let emptySlot: Int

    enum CodingKeys: String, CodingKey {
        case backgroundPoint = "background_point"
        case objectPoint = "object_point"
        case boxTopLeft = "box_top_left"
        case boxBottomRight = "box_bottom_right"
        case emptySlot = "empty_slot"
    }
}
