package org.mobilesam.sample

import java.util.Locale
import kotlin.time.Duration
import kotlin.time.DurationUnit
import org.mobilesam.kit.engine.Segmentation

/** The app's texts. They are in code, so that the app compiles without Android's resource compiler. */
object Texts {
    const val CHOOSE_PHOTO = "Choose photo"
    const val TAKE_PHOTO = "Take photo"
    const val UNDO = "Undo"
    const val CLEAR = "Clear"
    const val UNDO_DESCRIPTION = "Undo the last tap or box"
    const val CLEAR_DESCRIPTION = "Clear all taps and boxes"

    const val LOADING_MODEL = "Preparing the model…"
    const val CHOOSE = "Choose a photo, or take one."
    const val READING_PHOTO = "Reading the photo…"
    const val ENCODING = "Looking at the photo…"
    const val TAP = "Tap an object. Long press what does not belong to it, or drag a box around it."
    const val DECODING = "Looking for the object…"
    const val OUT_OF_MEMORY = "This device has too little memory left: close other apps, and try again."
    const val NO_CAMERA = "This device has no camera app."
    const val NO_PICKER = "This device has no app to choose photos with."

    const val NO_PHOTO_DESCRIPTION = "No photo yet"

    fun photoDescription(width: Int, height: Int, hasMask: Boolean): String {
        val mask = if (hasMask) "An object is marked." else "Nothing is marked."
        return "Photo of $width by $height pixels. $mask Touch an object to mark it."
    }

    fun ready(encoderTime: Duration) = "$TAP (${time(encoderTime)})"

    fun answer(answer: Segmentation): String {
        val encoder = answer.encoderTime?.let { ", photo ${time(it)}" }.orEmpty()
        val score = String.format(Locale.ROOT, "%.2f", answer.score)
        return "Score $score · ${time(answer.decoderTime)}$encoder"
    }

    fun failure(error: Throwable): String {
        val reason = error.message?.lineSequence()?.first()?.take(200) ?: error.javaClass.simpleName
        return "This did not work: $reason"
    }

    private fun time(time: Duration) = String.format(Locale.ROOT, "%.0f ms", time.toDouble(DurationUnit.MILLISECONDS))
}
