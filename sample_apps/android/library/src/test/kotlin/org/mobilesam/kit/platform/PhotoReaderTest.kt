package org.mobilesam.kit.platform

import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import java.io.ByteArrayOutputStream
import java.io.FileNotFoundException
import kotlin.math.abs
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilesam.kit.PhotoException
import org.mobilesam.kit.arithmetic.Frame
import org.mobilesam.kit.arithmetic.PixelSize
import org.robolectric.RobolectricTestRunner

/** Photos are decoded upright, at a bounded size. Android's own decoders run here. */
@RunWith(RobolectricTestRunner::class)
class PhotoReaderTest {
    @Test
    fun `photos are turned upright`() {
        // EXIF 2.3, section 4.6.4: where a viewer shows the stored top left, top right, bottom left and bottom right
        // corners.
        val upright = mapOf(
            1 to "RGBW", 2 to "GRWB", 3 to "WBGR", 4 to "BWRG",
            5 to "RBGW", 6 to "BRWG", 7 to "WGBR", 8 to "GWRB",
        )
        for ((orientation, corners) in upright) {
            val photo = PhotoReader(1000).read { withOrientation(corners(), orientation).inputStream() }
            val size = if (orientation < 5) PixelSize(48, 64) else PixelSize(64, 48)
            assertEquals("orientation $orientation", size, PixelSize(photo.height, photo.width))
            val (right, bottom) = photo.width - 9 to photo.height - 9
            val found = listOf(8 to 8, right to 8, 8 to bottom, right to bottom).map { (x, y) -> name(photo.getPixel(x, y)) }
            assertEquals("orientation $orientation", corners, found.joinToString(""))
        }
    }

    @Test
    fun `large photos are decoded at a bounded size, and the model sees the same`() {
        val frameSize = 256
        val large = compress(scene(4400, 3300), Bitmap.CompressFormat.JPEG)
        val whole = PhotoReader(Int.MAX_VALUE).read(large::inputStream)
        assertEquals(4400, whole.width)
        val bounded = PhotoReader(2 * frameSize).read(large::inputStream)
        assertEquals(PixelSize(413, 550), PixelSize(bounded.height, bounded.width))
        val (a, b) = listOf(whole, bounded).map { Frame.of(BitmapPhoto(it), frameSize, FloatArray(3)).toTensor() }
        val difference = a.indices.sumOf { abs(a[it] - b[it]).toDouble() } / a.size
        println("mean difference of frames: $difference")
        assertTrue("$difference", difference <= PhotoReader.SUBSAMPLING_TOLERANCE)
    }

    @Test
    fun `photos of the golden size are decoded as they are`() {
        val photo = PhotoReader(2048).read(compress(scene(640, 427), Bitmap.CompressFormat.PNG)::inputStream)
        assertTrue(photo.sameAs(scene(640, 427)))
    }

    @Test
    fun `transparency lies over white`() {
        val clear = Bitmap.createBitmap(4, 4, Bitmap.Config.ARGB_8888)
        val photo = PhotoReader(100).read(compress(clear, Bitmap.CompressFormat.PNG)::inputStream)
        assertEquals(Color.WHITE, photo.getPixel(2, 2))
    }

    @Test
    fun `a file that is not a photo is refused in words`() {
        val reader = PhotoReader(100)
        val text = assertThrows(PhotoException::class.java) { reader.read("text"::byteInputStream) }
        assertEquals("This file is not a photo that Android can show.", text.message)
        assertThrows(PhotoException::class.java) { reader.read { null } }
        assertThrows(PhotoException::class.java) { reader.read { throw FileNotFoundException("gone") } }
        assertThrows(PhotoException::class.java) { reader.read { throw SecurityException("not yours") } }
    }

    private fun corners(): Bitmap = draw(64, 48) { canvas ->
        listOf(Color.RED, Color.GREEN, Color.BLUE, Color.WHITE).forEachIndexed { index, corner ->
            val (left, top) = index % 2 * 32f to index / 2 * 24f
            canvas.drawRect(left, top, left + 32, top + 24, Paint().apply { color = corner })
        }
    }

    /** Shapes of all sizes, with sharp edges. */
    private fun scene(width: Int, height: Int): Bitmap = draw(width, height) { canvas ->
        canvas.drawColor(Color.rgb(90, 140, 200))
        for (index in 0 until 200) {
            val paint = Paint().apply { color = Color.rgb(index * 37 % 256, index * 91 % 256, index * 53 % 256) }
            val x = index * 7919 % 1000 / 1000f * width
            val y = index * 6101 % 1000 / 1000f * height
            canvas.drawCircle(x, y, (1 + index % 20) * width / 400f, paint)
        }
    }

    private fun draw(width: Int, height: Int, paint: (Canvas) -> Unit): Bitmap =
        Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888).also { paint(Canvas(it)) }

    private fun compress(bitmap: Bitmap, format: Bitmap.CompressFormat): ByteArray =
        ByteArrayOutputStream().also { bitmap.compress(format, 95, it) }.toByteArray()

    /** A JPEG file whose EXIF data has that orientation and nothing else. */
    private fun withOrientation(bitmap: Bitmap, orientation: Int): ByteArray {
        val jpeg = compress(bitmap, Bitmap.CompressFormat.JPEG)
        val tiff = intArrayOf(0x4D, 0x4D, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0)
        val body = "Exif\u0000\u0000".encodeToByteArray() + ByteArray(tiff.size) { tiff[it].toByte() }
        val marker = byteArrayOf(0xFF.toByte(), 0xE1.toByte(), 0, (body.size + 2).toByte())
        return jpeg.copyOfRange(0, 2) + marker + body + jpeg.copyOfRange(2, jpeg.size)
    }

    private fun name(color: Int): Char {
        val (red, green, blue) = listOf(Color.red(color), Color.green(color), Color.blue(color)).map { it > 128 }
        return if (red && green && blue) 'W' else if (red) 'R' else if (green) 'G' else 'B'
    }
}
