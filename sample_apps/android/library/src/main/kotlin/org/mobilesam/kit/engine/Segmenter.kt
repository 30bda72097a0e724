package org.mobilesam.kit.engine

import java.util.concurrent.Executor
import java.util.concurrent.Executors
import java.util.concurrent.RejectedExecutionException
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration
import kotlin.time.measureTime
import kotlin.time.measureTimedValue
import org.mobilesam.kit.PromptException
import org.mobilesam.kit.arithmetic.Frame
import org.mobilesam.kit.arithmetic.Mask
import org.mobilesam.kit.arithmetic.MaskResizer
import org.mobilesam.kit.arithmetic.Photo
import org.mobilesam.kit.arithmetic.Prompt
import org.mobilesam.kit.arithmetic.SlotPrompt
import org.mobilesam.kit.artifact.Manifest

/**
 * The answer to a prompt.
 *
 * @property mask at the photo's size.
 * @property score the model's own estimate of the mask's IoU, about 0…1.
 * @property encoderTime time of the image encoder; null if the photo was already encoded.
 * @property decoderTime time from filling the slots to the mask at the photo's size.
 */
class Segmentation(val mask: Mask, val score: Float, val encoderTime: Duration?, val decoderTime: Duration)

/**
 * Answers prompts about one photo at a time. It has a thread of its own, and only that thread uses the models.
 *
 * Methods return at once, and results come through [deliver]. A photo is encoded once. A newer prompt cancels older
 * ones, and a newer photo cancels all prompts about the earlier photo.
 *
 * @param openEngine loads the models. It is called on the segmenter's thread when they are first needed.
 * @param deliver runs the callers' callbacks. An app passes the main thread's handler.
 */
class Segmenter(
    private val manifest: Manifest,
    private val openEngine: () -> Engine,
    private val deliver: Executor,
) : AutoCloseable {
    private val thread = Executors.newSingleThreadExecutor { Thread(it, "segmenter") }
    private val latestPhoto = AtomicInteger()
    private val latestPrompt = AtomicInteger()

    // Only the segmenter's thread uses these.
    private var engine: Engine? = null
    private var frame: Frame? = null
    private var imageEmbeddings: FloatArray? = null

    /**
     * Set the photo that the following prompts are about, and encode it.
     *
     * @param read returns the photo. It is called on the segmenter's thread.
     * @param onReady called when the photo is encoded, with the image encoder's time, or with the error.
     */
    fun setPhoto(read: () -> Photo, onReady: (Result<Duration>) -> Unit) {
        val photo = latestPhoto.incrementAndGet()
        latestPrompt.incrementAndGet()
        submit({ photo == latestPhoto.get() }, onReady) {
            frame = null
            imageEmbeddings = null
            val newFrame = Frame.of(read(), manifest.frameSize, manifest.paddingRgb)
            frame = newFrame
            encode(newFrame)
        }
    }

    /**
     * Answer [prompt] about the photo, unless a newer prompt or photo comes first.
     *
     * @param prompt at least one point or a box, in pixels of the photo.
     * @param onAnswer called with the answer, or with the error. It is a [PromptException] if there is no photo, or if the
     *   prompt does not fit in the artifact's slots.
     */
    fun segment(prompt: Prompt, onAnswer: (Result<Segmentation>) -> Unit) {
        val number = latestPrompt.incrementAndGet()
        val isLatest = { number == latestPrompt.get() }
        submit(isLatest, onAnswer) {
            val frame = frame ?: throw PromptException("No photo is chosen: choose one before you tap.")
            val encoderTime = if (imageEmbeddings == null) encode(frame) else null
            val (shown, decoderTime) = measureTimedValue {
                val slotPrompt = SlotPrompt.of(prompt, frame.geometry, manifest.promptLayout)
                val answer = engine().decode(checkNotNull(imageEmbeddings), slotPrompt)
                if (!isLatest()) throw Superseded()
                val index = manifest.maskChoice.shown(prompt, answer.scores)
                val resizer = MaskResizer(frame.geometry, manifest.lowResSize)
                resizer.mask(answer.lowResMask(index), manifest.threshold) to answer.scores[index]
            }
            Segmentation(shown.first, shown.second, encoderTime, decoderTime)
        }
    }

    /** Cancel the latest prompt: its answer is not delivered. */
    fun cancel() {
        latestPrompt.incrementAndGet()
    }

    /** Release the models and the photo's embeddings. The next prompt loads and computes them again. */
    fun releaseMemory() {
        execute {
            imageEmbeddings = null
            closeEngine()
        }
    }

    /** Cancel everything, and release the models. */
    override fun close() {
        latestPhoto.incrementAndGet()
        latestPrompt.incrementAndGet()
        execute(::closeEngine)
        thread.shutdown()
    }

    private fun encode(frame: Frame): Duration {
        val engine = engine()
        return measureTime { imageEmbeddings = engine.encode(frame) }
    }

    private fun engine() = engine ?: openEngine().also { engine = it }

    private fun closeEngine() {
        engine?.close()
        engine = null
    }

    /** Do [work] if it [isWanted] when its turn comes, and deliver the result if it still [isWanted] then. */
    private fun <T> submit(isWanted: () -> Boolean, onDone: (Result<T>) -> Unit, work: () -> T) = execute {
        if (isWanted()) {
            val result = runCatching(work)
            deliver.execute { if (isWanted()) onDone(result) }
        }
    }

    private fun execute(work: () -> Unit) {
        try {
            thread.execute(work)
        } catch (_: RejectedExecutionException) {
            // The segmenter is closed, so no caller waits for this.
        }
    }

    private class Superseded : Exception()
}
