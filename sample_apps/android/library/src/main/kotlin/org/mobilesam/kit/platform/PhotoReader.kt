package org.mobilesam.kit.platform

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.ColorSpace
import android.graphics.Matrix
import android.media.ExifInterface
import java.io.IOException
import java.io.InputStream
import org.mobilesam.kit.PhotoException
import org.mobilesam.kit.arithmetic.Photo
import org.mobilesam.kit.arithmetic.PixelSize

/**
 * Decodes photos as a viewer shows them: upright, and with transparent parts over white.
 *
 * A photo whose longest side has at least twice [enough] pixels is decoded at a half, a quarter, … of its size. Its
 * longest side then has between [enough] and twice as many pixels. [SUBSAMPLING_TOLERANCE] bounds how much that changes
 * the frame.
 *
 * @property enough number of pixels along the longest side that are always kept, such as twice the frame's side.
 */
class PhotoReader(private val enough: Int) {
    /**
     * Read a photo.
     *
     * @param open opens the file. It is called several times, and each stream has to start at the beginning.
     * @throws PhotoException the file is missing or is not a photo.
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

    /** Turn [stored] upright, by the way the camera was held (EXIF 2.3, section 4.6.4). */
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
        /**
         * Largest mean difference, in levels of 255, between the frames of a photo decoded at a reduced and at its full
         * size.
         */
        const val SUBSAMPLING_TOLERANCE = 1.0

        private const val NO_PHOTO = "This file is not a photo that Android can show."
    }
}

/** A photo in an Android bitmap. Transparency is ignored. */
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
