package org.mobilesam.kit.arithmetic

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.Base64
import kotlin.math.abs
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilesam.kit.ArtifactException
import org.mobilesam.kit.PromptException
import org.robolectric.RobolectricTestRunner

/** The arithmetic gives the numbers of the Python reference, which are in `sample_apps/vectors`. */
@RunWith(RobolectricTestRunner::class)
class GoldenVectorsTest {
    @Test
    fun `photos have their size and points their place in the frame`() = forEach("geometry") { vector ->
        val geometry = FrameGeometry(size(vector.getJSONArray("photo")), vector.getInt("frame_size"))
        assertEquals(size(vector.getJSONArray("resized")), geometry.resized)
        val inFrame = points(vector.getJSONArray("points_in_frame"))
        points(vector.getJSONArray("points")).zip(inFrame).forEach { (point, expected) ->
            val found = geometry.toFrame(point)
            assertEquals(expected.x, found.x, TOLERANCE * geometry.frameSize)
            assertEquals(expected.y, found.y, TOLERANCE * geometry.frameSize)
        }
    }

    @Test
    fun `frames are Pillow's, bit for bit`() = forEach("resize") { vector ->
        val record = vector.getJSONObject("photo")
        val photo = RgbPhoto(PixelSize(record.getInt("height"), record.getInt("width")), bytes(record.getString("rgb")))
        val side = vector.getInt("frame_size")
        val padding = floats(vector.getJSONArray("padding_rgb"))
        val tensor = Frame.of(photo, side, padding).toTensor()
        val found = ByteArray(tensor.size) { tensor[it % 3 * side * side + it / 3].toInt().toByte() }
        assertArrayEquals(bytes(vector.getString("frame")), found)
    }

    @Test
    fun `prompts are in their slots`() = forEach("slots") { vector ->
        val points = points(vector.getJSONArray("points"))
        val labels = floats(vector.getJSONArray("labels"))
        val box = vector.optJSONArray("box")?.let { corners ->
            val (left, top, right, bottom) = floats(corners).map { it.toDouble() }
            PromptBox.of(Point(right, bottom), Point(left, top))
        }
        val prompt = Prompt(points.zip(labels.toList()) { point, label -> PromptPoint(point, label == 1f) }, box)
        val layout = PromptLayout(vector.getInt("prompt_slots"), PromptLabels(0, 1, 2, 3, -2), Point(0.0, 0.0))
        val identity = FrameGeometry(PixelSize(FRAME, FRAME), FRAME)
        if (vector.optBoolean("error")) {
            assertThrows(PromptException::class.java) { SlotPrompt.of(prompt, identity, layout) }
            return@forEach
        }
        val slotPrompt = SlotPrompt.of(prompt, identity, layout)
        val expected = points(vector.getJSONArray("point_coords")).flatMap { listOf(it.x.toFloat(), it.y.toFloat()) }
        assertArrayEquals(expected.toFloatArray(), slotPrompt.pointCoords, 0f)
        assertArrayEquals(floats(vector.getJSONArray("point_labels")), slotPrompt.pointLabels, 0f)
    }

    @Test
    fun `masks have the photo's size`() = forEach("masks") { vector ->
        val geometry = FrameGeometry(size(vector.getJSONArray("photo")), vector.getInt("frame_size"))
        val lowRes = vector.getJSONObject("low_res")
        val resizer = MaskResizer(geometry, lowRes.getInt("size"))
        val low = littleEndianFloats(lowRes.getString("logits"))
        val expected = littleEndianFloats(vector.getString("logits"))
        assertArrayEquals(expected, resizer.logits(low), (TOLERANCE * expected.maxOf(::abs)).toFloat())
        val mask = resizer.mask(low, 0f)
        assertEquals(rle(vector.getJSONObject("mask")), RunLengthEncoding.of(mask))
    }

    @Test
    fun `masks are encoded as COCO does`() = forEach("rle") { vector ->
        val rle = rle(vector)
        val runs = vector.getJSONArray("runs")
        assertArrayEquals(IntArray(runs.length(), runs::getInt), rle.runs())
        val mask = rle.decode()
        assertEquals(rle, RunLengthEncoding.of(mask))
        assertEquals(vector.getInt("area"), mask.area)
        val (x, y, width, height) = floats(vector.getJSONArray("bbox")).map { it.toInt() }
        assertEquals(PixelBox(x, y, x + width, y + height), mask.boundingBox)
    }

    @Test
    fun `masks are compared by intersection over union`() = forEach("iou") { vector ->
        val (a, b) = listOf("a", "b").map { rle(vector.getJSONObject(it)).decode() }
        assertEquals(vector.getDouble("iou"), a.iou(b), 1e-9)
    }

    @Test
    fun `the mask to show is chosen by the prompt's kind`() = forEach("choice") { vector ->
        val point = PromptPoint(Point(1.0, 1.0), true)
        val prompt = Prompt(
            List(vector.getInt("points")) { point },
            if (vector.getBoolean("has_box")) PromptBox(point.point, Point(2.0, 2.0)) else null,
            if (vector.getBoolean("has_mask")) FloatArray(1) else null,
        )
        val choice = MaskChoice(0, listOf(1, 2, 3))
        assertEquals(vector.getInt("shown"), choice.shown(prompt, scores(vector.getJSONArray("scores"))))
    }

    @Test
    fun `damaged run-length encodings are refused`() {
        for (counts in listOf("", "P", "5", "\u00e9", "ooooooooooo", "\\7")) {
            assertThrows(ArtifactException::class.java) { RunLengthEncoding(PixelSize(12, 17), counts).decode() }
        }
    }

    @Test
    fun `masks are equal if their pixels are`() {
        val mask = Mask(PixelSize(1, 2), booleanArrayOf(true, false))
        assertTrue(mask == Mask(PixelSize(1, 2), booleanArrayOf(true, false)))
        assertFalse(mask == Mask(PixelSize(2, 1), booleanArrayOf(true, false)))
    }

    private fun forEach(key: String, check: (JSONObject) -> Unit) {
        val list = VECTORS.getJSONArray(key)
        assertTrue("no vectors of $key", list.length() > 0)
        for (index in 0 until list.length()) check(list.getJSONObject(index))
    }

    private fun size(array: JSONArray) = PixelSize(array.getInt(0), array.getInt(1))

    private fun points(array: JSONArray) =
        (0 until array.length()).map(array::getJSONArray).map { Point(it.getDouble(0), it.getDouble(1)) }

    private fun floats(array: JSONArray) = FloatArray(array.length()) { array.getDouble(it).toFloat() }

    private fun scores(array: JSONArray) =
        FloatArray(array.length()) { if (array.isNull(it)) Float.NaN else array.getDouble(it).toFloat() }

    private fun rle(record: JSONObject) = RunLengthEncoding(size(record.getJSONArray("size")), record.getString("counts"))

    private fun bytes(base64: String): ByteArray = Base64.getDecoder().decode(base64)

    private fun littleEndianFloats(base64: String): FloatArray {
        val buffer = ByteBuffer.wrap(bytes(base64)).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(buffer.remaining()).also(buffer::get)
    }

    private companion object {
        const val TOLERANCE = 1e-5
        const val FRAME = 1024
        val VECTORS = JSONObject(File("../../vectors/vectors.json").readText())
    }
}
