package org.mobilesam.kit.arithmetic

/**
 * A prompt as the mask decoder takes it: N fixed slots.
 *
 * @property coordinates (1, N, 2) x, y in pixels of the frame.
 * @property labels (1, N).
 */
class PromptSlots(val coordinates: FloatArray, val labels: FloatArray) {
    companion object {
        /**
         * Points first, then a box's two corners; the rest is left empty.
         *
         * @throws PromptException the prompt takes more slots than there are.
         */
        fun of(prompt: Prompt, geometry: FrameGeometry, layout: PromptLayout): PromptSlots {
            val entries = prompt.points.map {
                it.at to if (it.isObject) layout.objectPoint else layout.backgroundPoint
            } + prompt.box?.let {
                listOf(it.topLeft to layout.boxTopLeft, it.bottomRight to layout.boxBottomRight)
            }.orEmpty()
            if (entries.size > layout.slots) {
                throw PromptException(
                    "The prompt takes ${entries.size} slots (a point one, a box two), and this model has ${layout.slots}.",
                )
            }
            val coordinates = FloatArray(layout.slots * 2)
            val labels = FloatArray(layout.slots) { layout.emptySlot }
            entries.forEachIndexed { slot, (point, label) ->
                val inFrame = geometry.toFrame(point)
                coordinates[2 * slot] = inFrame.x.toFloat()
                coordinates[2 * slot + 1] = inFrame.y.toFloat()
                labels[slot] = label
            }
            return PromptSlots(coordinates, labels)
        }
    }
}

/** How many slots a mask decoder has, and what its labels mean: `prompts` of `manifest.json`. */
data class PromptLayout(
    val slots: Int,
    val objectPoint: Float,
    val backgroundPoint: Float,
    val boxTopLeft: Float,
    val boxBottomRight: Float,
    val emptySlot: Float,
)

/** A prompt that the mask decoder cannot take. The message is for the user. */
class PromptException(message: String) : Exception(message)
