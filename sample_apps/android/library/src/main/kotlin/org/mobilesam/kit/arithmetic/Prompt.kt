package org.mobilesam.kit.arithmetic

/**
 * A tap.
 *
 * @property point where it is, in pixels of the photo.
 * @property isObject whether the object is there, or background.
 */
data class PromptPoint(val point: Point, val isObject: Boolean)

/** A box around an object, in pixels of the photo. */
data class PromptBox(val topLeft: Point, val bottomRight: Point)

/**
 * What is known about one object.
 *
 * @property points taps, in the order in which they were made.
 * @property box around the object.
 * @property maskInput one mask's low-resolution logits of an earlier answer about the same photo.
 */
class Prompt(
    val points: List<PromptPoint> = emptyList(),
    val box: PromptBox? = null,
    val maskInput: FloatArray? = null,
) {
    val isEmpty: Boolean get() = points.isEmpty() && box == null

    /** Whether it may mean several things: a single point does, a part or the whole. */
    val isAmbiguous: Boolean get() = points.size == 1 && box == null && maskInput == null
}
