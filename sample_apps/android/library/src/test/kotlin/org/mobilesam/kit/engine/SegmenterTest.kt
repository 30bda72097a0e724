package org.mobilesam.kit.engine

import java.util.Collections
import java.util.concurrent.CountDownLatch
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import kotlin.time.Duration
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.mobilesam.kit.PhotoException
import org.mobilesam.kit.PromptException
import org.mobilesam.kit.arithmetic.Frame
import org.mobilesam.kit.arithmetic.MaskChoice
import org.mobilesam.kit.arithmetic.PixelSize
import org.mobilesam.kit.arithmetic.Point
import org.mobilesam.kit.arithmetic.Prompt
import org.mobilesam.kit.arithmetic.PromptLabels
import org.mobilesam.kit.arithmetic.PromptLayout
import org.mobilesam.kit.arithmetic.PromptPoint
import org.mobilesam.kit.arithmetic.RgbPhoto
import org.mobilesam.kit.arithmetic.SlotPrompt
import org.mobilesam.kit.artifact.Checkpoint
import org.mobilesam.kit.artifact.Component
import org.mobilesam.kit.artifact.Manifest

/** Which calls run, when, and on which thread. */
class SegmenterTest {
    private val calls = Collections.synchronizedList(ArrayList<String>())
    private val threads = Collections.synchronizedSet(HashSet<String>())
    private var decoding = CountDownLatch(0)
    private val decoderEntered = LinkedBlockingQueue<Unit>()
    private val segmenter = Segmenter(MANIFEST, { CalledEngine() }, Runnable::run)
    private val photo = RgbPhoto(PixelSize(20, 30), ByteArray(20 * 30 * 3))

    @After
    fun close() = segmenter.close()

    @Test
    fun `a photo is encoded once, however many prompts come`() {
        setPhoto()
        repeat(3) { assertNull(segment(tap(1.0 * it)).encoderTime) }
        assertEquals(listOf("load", "encode", "decode", "decode", "decode"), calls)
    }

    @Test
    fun `the model is used by one thread`() {
        setPhoto()
        segment(tap(1.0))
        segmenter.releaseMemory()
        segment(tap(2.0))
        assertEquals(setOf("segmenter"), threads)
    }

    @Test
    fun `a newer tap cancels older ones`() {
        setPhoto()
        decoding = CountDownLatch(1)
        val answers = LinkedBlockingQueue<String>()
        segmenter.segment(tap(1.0)) { answers.put("first") }
        assertNotNull(decoderEntered.poll(10, TimeUnit.SECONDS)) // It cannot be stopped any more.
        segmenter.segment(tap(2.0)) { answers.put("second") }
        segmenter.segment(tap(3.0)) { answers.put("third") }
        decoding.countDown()
        assertEquals("third", answers.poll(10, TimeUnit.SECONDS))
        assertEquals(2, calls.count { it == "decode" })
        assertTrue(answers.isEmpty())
    }

    @Test
    fun `a newer photo cancels prompts about the older one`() {
        setPhoto()
        decoding = CountDownLatch(1)
        val answers = LinkedBlockingQueue<String>()
        segmenter.segment(tap(1.0)) { answers.put("older") }
        assertNotNull(decoderEntered.poll(10, TimeUnit.SECONDS))
        segmenter.setPhoto({ photo }) { answers.put("photo") }
        decoding.countDown()
        assertEquals("photo", answers.poll(10, TimeUnit.SECONDS))
        assertTrue(answers.isEmpty())
    }

    @Test
    fun `the answer to a cancelled prompt is not delivered`() {
        setPhoto()
        decoding = CountDownLatch(1)
        val answers = LinkedBlockingQueue<String>()
        segmenter.segment(tap(1.0)) { answers.put("cancelled") }
        assertNotNull(decoderEntered.poll(10, TimeUnit.SECONDS))
        segmenter.cancel()
        decoding.countDown()
        setPhoto() // This comes after it in the queue.
        assertTrue(answers.isEmpty())
    }

    @Test
    fun `released memory comes back when it is needed`() {
        setPhoto()
        segmenter.releaseMemory()
        assertNotNull(segment(tap(1.0)).encoderTime)
        assertEquals(listOf("load", "encode", "close", "load", "encode", "decode"), calls)
    }

    @Test
    fun `a prompt that does not fit is reported, and later ones are answered`() {
        setPhoto()
        val answers = LinkedBlockingQueue<Result<Segmentation>>()
        segmenter.segment(Prompt(List(9) { PromptPoint(Point(1.0, 1.0), true) }), answers::put)
        val error = checkNotNull(answers.poll(10, TimeUnit.SECONDS)).exceptionOrNull()
        assertTrue("$error", error is PromptException && "9 slots" in error.message.orEmpty())
        segment(tap(1.0))
    }

    @Test
    fun `a prompt before a photo is reported`() {
        val answers = LinkedBlockingQueue<Result<Segmentation>>()
        segmenter.segment(tap(1.0), answers::put)
        val error = checkNotNull(answers.poll(10, TimeUnit.SECONDS)).exceptionOrNull()
        assertTrue("$error", error is PromptException && "No photo is chosen" in error.message.orEmpty())
    }

    @Test
    fun `a photo that cannot be read is reported`() {
        val results = LinkedBlockingQueue<Result<Duration>>()
        segmenter.setPhoto({ throw PhotoException("no photo") }, results::put)
        val error = checkNotNull(results.poll(10, TimeUnit.SECONDS)).exceptionOrNull()
        assertEquals("no photo", error?.message)
    }

    @Test
    fun `masks have the photo's size and the best guess's score`() {
        setPhoto()
        val answer = segment(tap(1.0))
        assertEquals(photo.size, answer.mask.size)
        assertEquals(photo.size.area, answer.mask.area)
        assertEquals(0.7f, answer.score, 0f)
    }

    private fun setPhoto() {
        val results = LinkedBlockingQueue<Result<Duration>>()
        segmenter.setPhoto({ photo }, results::put)
        checkNotNull(results.poll(10, TimeUnit.SECONDS)).getOrThrow()
    }

    private fun segment(prompt: Prompt): Segmentation {
        val answers = LinkedBlockingQueue<Result<Segmentation>>()
        segmenter.segment(prompt, answers::put)
        return checkNotNull(answers.poll(10, TimeUnit.SECONDS)).getOrThrow()
    }

    private fun tap(x: Double) = Prompt(listOf(PromptPoint(Point(x, 1.0), true)))

    private inner class CalledEngine : Engine {
        init {
            note("load")
        }

        override fun encode(frame: Frame): FloatArray {
            note("encode")
            return FloatArray(1)
        }

        override fun decode(imageEmbeddings: FloatArray, prompt: SlotPrompt): DecoderAnswer {
            note("decode")
            decoderEntered.put(Unit)
            decoding.await()
            return DecoderAnswer(FloatArray(4 * 8 * 8) { 1f }, floatArrayOf(0.9f, 0.1f, 0.7f, 0.2f))
        }

        override fun close() = note("close")

        private fun note(call: String) {
            calls.add(call)
            threads.add(Thread.currentThread().name)
        }
    }

    private companion object {
        val MANIFEST = Manifest(
            model = "tiny",
            scheme = "none",
            checkpoint = Checkpoint(sha256 = "", trained = false),
            frameSize = 32,
            paddingRgb = floatArrayOf(1f, 2f, 3f),
            promptLayout = PromptLayout(8, PromptLabels(0, 1, 2, 3, -2), Point(0.0, 0.0)),
            maskChoice = MaskChoice(0, listOf(1, 2, 3)),
            lowResSize = 8,
            threshold = 0f,
            imageEncoder = Component("encoder.ptl", emptyList(), emptyList()),
            maskDecoder = Component("decoder.ptl", emptyList(), emptyList()),
            goldens = "goldens/goldens.json",
            files = emptyMap(),
        )
    }
}
