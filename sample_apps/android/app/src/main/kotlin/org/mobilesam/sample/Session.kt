package org.mobilesam.sample

import android.graphics.Bitmap
import android.os.Handler
import android.os.Looper
import java.io.File
import java.io.InputStream
import java.nio.ByteBuffer
import java.util.concurrent.Executor
import java.util.concurrent.Executors
import org.mobilesam.kit.MobileSAMException
import org.mobilesam.kit.arithmetic.Mask
import org.mobilesam.kit.arithmetic.Prompt
import org.mobilesam.kit.artifact.Artifact
import org.mobilesam.kit.engine.Segmentation
import org.mobilesam.kit.engine.Segmenter
import org.mobilesam.kit.platform.BitmapPhoto
import org.mobilesam.kit.platform.PhotoReader
import org.mobilesam.kit.screen.Touch
import org.mobilesam.kit.screen.adding

/**
 * All that the screen shows.
 *
 * @property canOpenPhotos whether the model is ready.
 * @property photo the upright photo, at the size of its masks.
 * @property prompts every prompt since the photo was chosen. The last one is the present prompt.
 * @property mask the mask as alpha values, as large as [photo].
 * @property isBusy whether work is going on.
 * @property status the text below the photo.
 */
data class ScreenState(
    val canOpenPhotos: Boolean = false,
    val photo: Bitmap? = null,
    val prompts: List<Prompt> = emptyList(),
    val mask: Bitmap? = null,
    val isBusy: Boolean = true,
    val status: String = Texts.LOADING_MODEL,
) {
    val prompt: Prompt get() = prompts.lastOrNull() ?: Prompt()
}

/**
 * A photo, the user's prompts about it, and the answers. It is used on the main thread, and never blocks it.
 *
 * It outlives the activity when the phone is rotated.
 */
class Session(private val application: SampleApplication) {
    /** Called with the present state, and then with every new one. */
    var listener: ((ScreenState) -> Unit)? = null
        set(value) {
            field = value
            value?.invoke(state)
        }

    var state = ScreenState()
        private set(value) {
            field = value
            listener?.invoke(value)
        }

    private val main = Executor(Handler(Looper.getMainLooper())::post)
    private val files = Executors.newSingleThreadExecutor { Thread(it, "files") }
    private var segmenter: Segmenter? = null
    private var reader: PhotoReader? = null
    private var latestPhoto = 0
    private var latestAnswer = 0

    init {
        inBackground({ install() }) { result ->
            result.fold(::useArtifact) { state = ScreenState(isBusy = false, status = words(it)) }
        }
    }

    /** Show another photo. [open] opens its file several times, and each stream has to start at the beginning. */
    fun openPhoto(open: () -> InputStream?) {
        val reader = reader ?: return
        val number = ++latestPhoto
        forgetAnswer()
        state = state.copy(isBusy = true, status = Texts.READING_PHOTO)
        inBackground({ reader.read(open) }) { result ->
            if (number == latestPhoto) result.fold(::show) { state = state.copy(isBusy = false, status = words(it)) }
        }
    }

    /** Add a touch to the prompt, and ask for the mask. */
    fun add(touch: Touch) = ask(state.prompts + state.prompt.adding(touch))

    /** Take back the last touch, and ask again. */
    fun undo() = ask(state.prompts.dropLast(1))

    /** Take back all touches. */
    fun clear() = ask(emptyList())

    /** Release the models and embeddings. The next tap takes longer. */
    fun releaseMemory() {
        segmenter?.releaseMemory()
    }

    fun close() {
        listener = null
        latestPhoto++
        forgetAnswer()
        segmenter?.close()
        segmenter = null
        files.shutdown()
    }

    private fun install() = Artifact.install(application::openModelAsset, File(application.filesDir, "artifact"))

    private fun useArtifact(artifact: Artifact) {
        if (files.isShutdown) return
        segmenter = Segmenter(artifact.manifest, { application.openEngine(artifact) }, main)
        reader = PhotoReader(2 * artifact.manifest.frameSize)
        state = ScreenState(canOpenPhotos = true, isBusy = false, status = Texts.CHOOSE)
    }

    private fun show(photo: Bitmap) {
        state = state.copy(
            photo = photo,
            prompts = emptyList(),
            mask = null,
            isBusy = true,
            status = Texts.ENCODING,
        )
        segmenter?.setPhoto({ BitmapPhoto(photo) }) { result ->
            val status = result.fold({ Texts.ready(it) }, ::words)
            if (state.prompt.isEmpty || result.isFailure) state = state.copy(isBusy = false, status = status)
        }
    }

    private fun ask(prompts: List<Prompt>) {
        if (state.photo == null) return
        val number = forgetAnswer()
        if (prompts.isEmpty()) {
            segmenter?.cancel()
            state = state.copy(prompts = prompts, mask = null, isBusy = false, status = Texts.TAP)
            return
        }
        state = state.copy(prompts = prompts, isBusy = true, status = Texts.DECODING)
        segmenter?.segment(prompts.last()) { result ->
            result.fold({ show(it, number) }) {
                state = state.copy(mask = null, isBusy = false, status = words(it))
            }
        }
    }

    private fun show(answer: Segmentation, number: Int) = inBackground({ draw(answer.mask) }) { result ->
        if (number == latestAnswer) {
            val status = if (result.isSuccess) Texts.answer(answer) else words(checkNotNull(result.exceptionOrNull()))
            state = state.copy(mask = result.getOrNull(), isBusy = false, status = status)
        }
    }

    private fun forgetAnswer() = ++latestAnswer

    private fun draw(mask: Mask): Bitmap {
        val drawn = Bitmap.createBitmap(mask.size.width, mask.size.height, Bitmap.Config.ALPHA_8)
        val alpha = ByteBuffer.allocate(drawn.rowBytes * mask.size.height)
        for (y in 0 until mask.size.height) {
            for (x in 0 until mask.size.width) {
                if (mask.pixels[y * mask.size.width + x]) alpha.put(y * drawn.rowBytes + x, -1)
            }
        }
        drawn.copyPixelsFromBuffer(alpha)
        return drawn
    }

    private fun <T> inBackground(work: () -> T, onDone: (Result<T>) -> Unit) {
        if (files.isShutdown) return
        files.execute {
            val result = runCatching(work)
            main.execute { onDone(result) }
        }
    }

    private fun words(error: Throwable): String = when (error) {
        is MobileSAMException -> error.message.orEmpty()
        is OutOfMemoryError -> Texts.OUT_OF_MEMORY
        else -> Texts.failure(error)
    }
}
