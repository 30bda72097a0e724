package org.mobilesam.kit.platform

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilesam.kit.arithmetic.Frame
import org.mobilesam.kit.arithmetic.PixelSize
import org.mobilesam.kit.arithmetic.RgbPhoto
import org.mobilesam.kit.arithmetic.SlotPrompt
import org.mobilesam.kit.artifact.TensorSpec
import org.mobilesam.kit.testing.givenArtifact
import org.pytorch.IValue
import org.pytorch.Tensor
import org.pytorch.fakeModule
import org.robolectric.RobolectricTestRunner

/** What the engine passes to the runtime, and how it reads the answers. The runtime's own Java classes run here. */
@RunWith(RobolectricTestRunner::class)
class LiteEngineTest {
    private val manifest = givenArtifact().manifest
    private val side = manifest.frameSize.toLong()
    private val low = manifest.lowResSize.toLong()
    private val slots = manifest.promptLayout.slots.toLong()
    private val masks = manifest.numMasks.toLong()
    private val embeddings = manifest.imageEncoder.outputs.single()
    private val asked = ArrayList<List<Tensor>>()
    private var destroyed = 0
    private val engine = LiteEngine(
        manifest,
        module { tensor(shape(embeddings), 2f) },
        module { IValue.tupleFrom(tensor(longArrayOf(1, masks, low, low), 3f), tensor(longArrayOf(1, masks), 4f)) },
    )

    @Test
    fun `the image encoder gets the frame`() {
        val photo = RgbPhoto(PixelSize(2, 3), ByteArray(2 * 3 * 3) { (it * 40).toByte() })
        val frame = Frame.of(photo, manifest.frameSize, manifest.paddingRgb)
        val encoded = engine.encode(frame)
        val (image) = asked.single()
        assertArrayEquals(longArrayOf(1, 3, side, side), image.shape())
        assertArrayEquals(frame.toTensor(), image.dataAsFloatArray, 0f)
        assertEquals(embeddings.size, encoded.size)
        assertEquals(2f, encoded.last(), 0f)
    }

    @Test
    fun `the mask decoder gets embeddings, slots and an earlier mask in the manifest's order and shapes`() {
        val earlier = FloatArray((low * low).toInt()) { 8f }
        val prompt = SlotPrompt(FloatArray(2 * slots.toInt()) { 6f }, FloatArray(slots.toInt()) { 7f }, earlier)
        val answer = engine.decode(FloatArray(embeddings.size) { 5f }, prompt)
        val expected = listOf(
            shape(embeddings) to 5f,
            longArrayOf(1, slots, 2) to 6f,
            longArrayOf(1, slots) to 7f,
            longArrayOf(1, 1, low, low) to 8f,
            longArrayOf(1) to 1f,
        )
        asked.single().zip(expected).forEach { (tensor, shapeAndValue) ->
            assertArrayEquals(shapeAndValue.first, tensor.shape())
            assertEquals(shapeAndValue.second, tensor.dataAsFloatArray.last(), 0f)
        }
        assertEquals(expected.size, asked.single().size)
        assertEquals((masks * low * low).toInt(), answer.lowResMasks.size)
        assertArrayEquals(FloatArray(masks.toInt()) { 4f }, answer.scores, 0f)
    }

    @Test
    fun `without an earlier mask there are zeros, and a zero that says so`() {
        val prompt = SlotPrompt(FloatArray(2 * slots.toInt()), FloatArray(slots.toInt()))
        engine.decode(FloatArray(embeddings.size), prompt)
        val (mask, hasMask) = asked.single().takeLast(2)
        assertArrayEquals(FloatArray((low * low).toInt()), mask.dataAsFloatArray, 0f)
        assertArrayEquals(floatArrayOf(0f), hasMask.dataAsFloatArray, 0f)
    }

    @Test
    fun `both models are given back`() {
        engine.close()
        assertEquals(2, destroyed)
    }

    private fun shape(spec: TensorSpec) = spec.shape.map(Int::toLong).toLongArray()

    private fun module(answer: () -> IValue) = fakeModule({ destroyed++ }) { inputs ->
        asked.add(inputs.map { it.toTensor() })
        answer()
    }

    private fun tensor(shape: LongArray, value: Float) =
        IValue.from(Tensor.fromBlob(FloatArray(shape.reduce(Long::times).toInt()) { value }, shape))
}
