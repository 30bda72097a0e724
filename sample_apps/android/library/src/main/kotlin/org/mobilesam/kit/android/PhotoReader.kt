package org.mobilesam.kit.android

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.ColorSpace
import android.graphics.Matrix
import android.media.ExifInterface
import java.io.IOException
import java.io.InputStream
import org.mobilesam.kit.arithmetic.Photo
import org.mobilesam.kit.arithmetic.PixelSize

/** A photo that cannot be read. The message is for the user. */
class PhotoException(message: String, cause: Throwable? = null) : Exception(message, cause)

/**
 * Decodes photos as a viewer shows them: upright, transparency over white.
 *
 * A photo with at least twice [enough] pixels along its longest side is decoded at a half, a quarter, … of its size, so
 * that `enough` to twice as many are left: what the model sees is smaller still. [SUBSAMPLING_TOLERANCE] says what that changes.
 *
 * @property enough pixels along the longest side that are kept in any case; twice the frame's side does.
 */
class PhotoReader(private val enough: Int) {
    /**
     * Read a photo.
     *
     * @param open gives the file's bytes from the beginning, each time.
     * @throws PhotoException it is not there, or is no photo.
     */
    fun read(open: () -> InputStream?): Bitmap {
        try {
            val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
            decode(open, bounds)
            val options = BitmapFactory.Options().apply {
                inSampleSize = sampleSize(maxOf(bounds.outWidth, bounds.outHeight))
                inPreferredColorSpace = ColorSpace.get(ColorSpace.Named.SRGB)
            }
            val stored = decode(open, options) ?: throw PhotoException(NO_PHOTO)
            val upright = turn(stored, orientation(open))
            return if (upright.hasAlpha()) overWhite(upright) else upright
        } catch (error: IOException) {
            throw PhotoException("The photo cannot be read: ${error.message}", error)
        } catch (error: SecurityException) {
            throw PhotoException("The photo cannot be read: the app is not allowed to.", error)
        } catch (error: OutOfMemoryError) {
            throw PhotoException("The photo is too large for this device's memory.", error)
        }
    }

    private fun decode(open: () -> InputStream?, options: BitmapFactory.Options): Bitmap? =
        stream(open).use { BitmapFactory.decodeStream(it, null, options) }

    private fun sampleSize(longestSide: Int): Int {
        var size = 1
        while (longestSide / (size * 2) >= enough) size *= 2
        return size
    }

    private fun orientation(open: () -> InputStream?): Int = try {
        stream(open).use {
            ExifInterface(it).getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL)
        }
    } catch (_: IOException) {
        ExifInterface.ORIENTATION_NORMAL // a format without EXIF
    }

    private fun stream(open: () -> InputStream?) = open() ?: throw PhotoException("The photo is no longer there.")

    /** Turn [stored] so that it is as the camera was held (EXIF 2.3, section 4.6.4). */
    private fun turn(stored: Bitmap, orientation: Int): Bitmap {
        val matrix = Matrix()
        when (orientation) {
            ExifInterface.ORIENTATION_FLIP_HORIZONTAL -> matrix.setScale(-1f, 1f)
            ExifInterface.ORIENTATION_ROTATE_180 -> matrix.setScale(-1f, -1f)
            ExifInterface.ORIENTATION_FLIP_VERTICAL -> matrix.setScale(1f, -1f)
            ExifInterface.ORIENTATION_TRANSPOSE -> matrix.setValues(floatArrayOf(0f, 1f, 0f, 1f, 0f, 0f, 0f, 0f, 1f))
            ExifInterface.ORIENTATION_ROTATE_90 -> matrix.setRotate(90f)
            ExifInterface.ORIENTATION_TRANSVERSE -> matrix.setValues(floatArrayOf(0f, -1f, 0f, -1f, 0f, 0f, 0f, 0f, 1f))
            ExifInterface.ORIENTATION_ROTATE_270 -> matrix.setRotate(270f)
            else -> return stored
        }
        return Bitmap.createBitmap(stored, 0, 0, stored.width, stored.height, matrix, false)
    }

    private fun overWhite(photo: Bitmap): Bitmap {
        val result = Bitmap.createBitmap(photo.width, photo.height, Bitmap.Config.ARGB_8888)
        Canvas(result).apply {
            drawColor(Color.WHITE)
            drawBitmap(photo, 0f, 0f, null)
        }
        return result
    }

    companion object {
        /** Largest mean difference, in levels of 255, between frames of a photo decoded in part and in full. */
        const val SUBSAMPLING_TOLERANCE = 1.0

        private const val NO_PHOTO = "This file is no photo that Android can show."
    }
}

/** Pixels of a bitmap; its transparency is ignored. */
class BitmapPhoto(private val bitmap: Bitmap) : Photo {
    override val size = PixelSize(bitmap.height, bitmap.width)
    private val row = IntArray(bitmap.width)

    override fun readRow(y: Int, into: ByteArray) {
        bitmap.getPixels(row, 0, bitmap.width, 0, y, bitmap.width, 1)
        row.forEachIndexed { x, color ->
            into[3 * x] = Color.red(color).toByte()
            into[3 * x + 1] = Color.green(color).toByte()
            into[3 * x + 2] = Color.blue(color).toByte()
        }
    }
}
