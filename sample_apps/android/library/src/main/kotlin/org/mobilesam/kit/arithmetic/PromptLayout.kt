package org.mobilesam.kit.arithmetic

/**
 * How many slots a mask decoder has, and what is written into them: `prompt_slots` and `prompts` of `manifest.json`.
 *
 * @property emptySlotCoordinates what a slot without a point holds, in pixels of the frame.
 */
data class PromptLayout(val slots: Int, val labels: PromptLabels, val emptySlotCoordinates: Point)

/** The label of each kind of slot: `prompts.labels` of `manifest.json`. */
data class PromptLabels(
    val backgroundPoint: Int,
    val objectPoint: Int,
    val boxTopLeft: Int,
    val boxBottomRight: Int,
    val emptySlot: Int,
)
