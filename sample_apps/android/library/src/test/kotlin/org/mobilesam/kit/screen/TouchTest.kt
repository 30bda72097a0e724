package org.mobilesam.kit.screen

import org.junit.Assert.assertEquals
import org.junit.Test
import org.mobilesam.kit.arithmetic.PixelSize
import org.mobilesam.kit.arithmetic.Point
import org.mobilesam.kit.arithmetic.Prompt
import org.mobilesam.kit.arithmetic.PromptBox
import org.mobilesam.kit.arithmetic.PromptPoint

/** Touches on the screen become prompts in pixels of the photo. */
class TouchTest {
    private val layout = PhotoLayout(PixelSize(height = 400, width = 800), width = 200.0, height = 200.0)

    @Test
    fun `a photo fills the view and keeps its shape`() {
        assertEquals(200.0, layout.width, 0.0)
        assertEquals(100.0, layout.height, 0.0)
        val portrait = PhotoLayout(PixelSize(height = 800, width = 400), width = 300.0, height = 200.0)
        assertEquals(100.0, portrait.width, 0.0)
        assertEquals(200.0, portrait.height, 0.0)
    }

    @Test
    fun `points go to the photo and back`() {
        val point = Point(50.0, 75.0)
        assertEquals(Point(200.0, 300.0), layout.toPhoto(point))
        assertEquals(point, layout.toView(layout.toPhoto(point)))
    }

    @Test
    fun `a finger that leaves the photo ends at its edge`() =
        assertEquals(Point(0.0, 400.0), layout.toPhoto(Point(-5.0, 130.0)))

    @Test
    fun `a view without size has no points`() =
        assertEquals(Point(0.0, 0.0), PhotoLayout(layout.photo, 0.0, 0.0).toPhoto(Point(3.0, 4.0)))

    @Test
    fun `touches become a prompt`() {
        val (here, there) = Point(1.0, 9.0) to Point(5.0, 2.0)
        val earlier = FloatArray(1)
        val prompt = listOf(Touch.Tap(here), Touch.Drag(here, here), Touch.Hold(there), Touch.Drag(there, here))
            .fold(Prompt(maskInput = earlier), Prompt::adding)
        assertEquals(listOf(PromptPoint(here, isObject = true), PromptPoint(there, isObject = false)), prompt.points)
        assertEquals(PromptBox(topLeft = Point(1.0, 2.0), bottomRight = Point(5.0, 9.0)), prompt.box)
        assertEquals(earlier, prompt.maskInput)
    }
}
