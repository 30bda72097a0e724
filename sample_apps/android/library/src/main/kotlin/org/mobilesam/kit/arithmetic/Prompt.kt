package org.mobilesam.kit.arithmetic

/**
 * A point of a prompt.
 *
 * @property point where it is, in pixels of the photo.
 * @property isObject true on the object, false on the background.
 */
data class PromptPoint(val point: Point, val isObject: Boolean)

/** A box around an object, in pixels of the photo. */
data class PromptBox(val topLeft: Point, val bottomRight: Point) {
    companion object {
        /** The box with these two opposite corners, which may be any two. */
        fun of(corner: Point, opposite: Point) = PromptBox(
            Point(minOf(corner.x, opposite.x), minOf(corner.y, opposite.y)),
            Point(maxOf(corner.x, opposite.x), maxOf(corner.y, opposite.y)),
        )
    }
}

/**
 * A user's prompt about one object in a photo.
 *
 * @property points the user's points, in their order.
 * @property box a box around the object, or null.
 * @property maskInput low-resolution logits of one mask of an earlier answer about the same photo, or null.
 */
class Prompt(
    val points: List<PromptPoint> = emptyList(),
    val box: PromptBox? = null,
    val maskInput: FloatArray? = null,
) {
    val isEmpty: Boolean get() = points.isEmpty() && box == null

    /** Whether the prompt can mean several objects. A single point can: it may mean a part or the whole. */
    val isAmbiguous: Boolean get() = points.size == 1 && box == null && maskInput == null
}
