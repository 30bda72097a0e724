package org.mobilesam.kit.screen

import org.mobilesam.kit.arithmetic.Point
import org.mobilesam.kit.arithmetic.Prompt
import org.mobilesam.kit.arithmetic.PromptBox
import org.mobilesam.kit.arithmetic.PromptPoint

/** What a finger meant, in pixels of the photo. */
sealed interface Touch {
    /** The object is at this point. */
    data class Tap(val point: Point) : Touch

    /** The background is at this point. */
    data class Hold(val point: Point) : Touch

    /** The object is in the box between these corners. */
    data class Drag(val corner: Point, val opposite: Point) : Touch
}

/** The prompt with one more touch. A tap or a hold adds a point, and a drag replaces the box. */
fun Prompt.adding(touch: Touch) = when (touch) {
    is Touch.Tap -> Prompt(points + PromptPoint(touch.point, isObject = true), box, maskInput)
    is Touch.Hold -> Prompt(points + PromptPoint(touch.point, isObject = false), box, maskInput)
    is Touch.Drag -> Prompt(points, PromptBox.of(touch.corner, touch.opposite), maskInput)
}
