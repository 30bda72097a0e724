package org.mobilesam.kit.arithmetic

/** How many slots a mask decoder has, and what its labels mean: `prompt_slots` and `prompts` of `manifest.json`. */
data class PromptLayout(val slots: Int, val labels: PromptLabels)

/** The label of each kind of slot: `prompts.labels` of `manifest.json`. */
data class PromptLabels(
    val objectPoint: Float,
    val backgroundPoint: Float,
    val boxTopLeft: Float,
    val boxBottomRight: Float,
    val emptySlot: Float,
)
