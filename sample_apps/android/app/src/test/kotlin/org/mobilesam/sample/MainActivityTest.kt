package org.mobilesam.sample

import android.app.Activity
import android.content.ComponentCallbacks2
import android.graphics.Bitmap
import android.net.Uri
import android.provider.MediaStore
import java.io.File
import java.io.FileNotFoundException
import org.json.JSONObject
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.mobilesam.kit.arithmetic.Point
import org.mobilesam.kit.regression.Goldens
import org.mobilesam.kit.testing.givenArtifact
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config

/** What a user sees, from choosing a photo to its mask. Android's own views and graphics run here. */
@RunWith(RobolectricTestRunner::class)
@Config(application = GivenApplication::class, qualifiers = "w411dp-h891dp-hdpi")
class MainActivityTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val artifact = givenArtifact()
    private val application = RuntimeEnvironment.getApplication() as GivenApplication
    private val screen by lazy(::Screen)
    private val photo by lazy { Goldens.read(artifact).photos.first { it.size.height > it.size.width } }
    private val middle by lazy { Point(photo.size.width / 2.0, photo.size.height / 2.0) }

    @After
    fun close() = screen.close()

    @Test
    fun `a tap marks an object and tells its score`() {
        screen.show(photo.file)
        assertFalse(screen.isMarked)
        val before = screen.draw()
        screen.tap(middle)
        awaitMask()
        assertTrue(screen.status, Regex("Score 0\\.93 · \\d+ ms").matches(screen.status))
        val (x, y) = positionOf(Point(middle.x + 25, middle.y + 25))
        assertNotEquals("the mask is to be seen", before.getPixel(x, y), screen.draw().getPixel(x, y))
    }

    @Test
    fun `a long press marks background, and undo and clear take back`() {
        screen.show(photo.file)
        screen.tap(middle)
        awaitMask()
        val marked = screen.draw()
        screen.longPress(Point(20.0, 20.0))
        awaitMask()
        assertFalse(screen.draw().sameAs(marked))
        screen.button(Texts.UNDO).performClick()
        awaitMask()
        screen.button(Texts.CLEAR).performClick()
        assertEquals(Texts.TAP, screen.status)
        assertFalse(screen.isMarked)
        assertFalse(screen.button(Texts.UNDO).isEnabled)
        assertFalse(screen.button(Texts.CLEAR).isEnabled)
    }

    @Test
    fun `a drag asks for what is in the box`() {
        screen.show(photo.file)
        screen.drag(Point(100.0, 100.0), Point(300.0, 400.0))
        awaitMask()
        assertTrue(screen.button(Texts.UNDO).isEnabled)
    }

    @Test
    fun `touches beside the photo mean nothing`() {
        screen.show(photo.file)
        screen.tap(Point(-20.0, 10.0))
        assertFalse(screen.button(Texts.UNDO).isEnabled)
    }

    @Test
    fun `more taps than the model takes are reported`() {
        screen.show(photo.file)
        repeat(artifact.manifest.promptLayout.slots + 1) { screen.tap(Point(50.0 + it, 50.0)) }
        screen.await("the message") { "slots" in screen.status }
        screen.button(Texts.UNDO).performClick()
        awaitMask()
    }

    @Test
    fun `rotating the phone keeps photo and mask`() {
        screen.show(photo.file)
        screen.tap(middle)
        awaitMask()
        val said = screen.status
        screen.turn()
        assertTrue(screen.isMarked)
        assertEquals(said, screen.status)
        screen.tap(Point(30.0, 30.0))
        awaitMask()
    }

    @Test
    fun `released memory is filled again at the next tap`() {
        screen.show(photo.file)
        @Suppress("DEPRECATION")
        screen.activity.onTrimMemory(ComponentCallbacks2.TRIM_MEMORY_COMPLETE)
        screen.tap(middle)
        awaitMask()
        assertTrue(screen.status, ", photo " in screen.status)
    }

    @Test
    fun `a missing model is reported, with what to do`() {
        application.open = { throw FileNotFoundException(it) }
        screen.await("the message") { "The model is missing" in screen.status }
        assertTrue(screen.status, "app/src/main/assets/artifact" in screen.status)
        assertFalse(screen.button(Texts.CHOOSE_PHOTO).isEnabled)
    }

    @Test
    fun `a model for the other platform is reported`() {
        val manifest = JSONObject(artifact.file("manifest.json").readText()).put("format", "coreml")
        application.open = { manifest.toString().byteInputStream() }
        screen.await("the message") { "does not fit the app" in screen.status }
    }

    @Test
    fun `a model that does not load is reported`() {
        application.load = { throw IllegalStateException("Unknown builtin op: aten::new_thing\nmore") }
        screen.choose(photo.file)
        screen.await("the message") { screen.status == "This did not work: Unknown builtin op: aten::new_thing" }
    }

    @Test
    fun `a file that is not a photo is reported, and the next photo is shown`() {
        screen.choose(temporary.newFile("nonsense.jpg").apply { writeText("nonsense") })
        screen.await("the message") { "is not a photo" in screen.status }
        screen.show(photo.file)
    }

    @Test
    fun `the camera app gets one file, and its photo is shown`() {
        screen.await("the model") { screen.button(Texts.TAKE_PHOTO).isEnabled }
        screen.button(Texts.TAKE_PHOTO).performClick()
        val asked = shadowOf(screen.activity).nextStartedActivityForResult.intent
        assertEquals(MediaStore.ACTION_IMAGE_CAPTURE, asked.action)
        @Suppress("DEPRECATION")
        val uri = asked.getParcelableExtra<Uri>(MediaStore.EXTRA_OUTPUT)
        assertEquals(CameraFileProvider.URI, uri)
        assertEquals(uri, asked.clipData?.getItemAt(0)?.uri)
        val provider = Robolectric.setupContentProvider(CameraFileProvider::class.java)
        val descriptor = provider.openFile(checkNotNull(uri), "w")
        android.os.ParcelFileDescriptor.AutoCloseOutputStream(descriptor).use { it.write(photo.file.readBytes()) }
        assertThrows(FileNotFoundException::class.java) {
            provider.openFile(Uri.parse("content://org.mobilesam.sample.camera/../databases/x"), "r")
        }
        shadowOf(screen.activity).receiveResult(asked, Activity.RESULT_OK, null)
        screen.await("the photo") { screen.status.startsWith(Texts.TAP) }
    }

    @Test
    fun `everything that can be touched says what it is`() {
        screen.show(photo.file)
        assertTrue("${photo.size.width} by ${photo.size.height}" in screen.photo.contentDescription)
        for (label in listOf(Texts.CHOOSE_PHOTO, Texts.TAKE_PHOTO, Texts.UNDO, Texts.CLEAR)) {
            assertNotNull(screen.button(label).contentDescription)
        }
        screen.photo.performClick() // as TalkBack does
        awaitMask()
    }

    @Test
    fun `light by day`() = screenshot("light.png")

    @Test
    @Config(qualifiers = "+night")
    fun `dark by night`() = screenshot("dark.png")

    private fun screenshot(name: String) {
        screen.show(photo.file)
        screen.tap(middle)
        screen.longPress(Point(photo.size.width * 0.15, photo.size.height * 0.12))
        awaitMask()
        val file = File("target/screenshots/$name").apply { parentFile?.mkdirs() }
        val picture = screen.draw()
        file.outputStream().use { picture.compress(Bitmap.CompressFormat.PNG, 100, it) }
        val isDark = name == "dark.png"
        assertEquals(isDark, android.graphics.Color.luminance(picture.getPixel(picture.width / 2, picture.height - 3)) < 0.5f)
    }

    private fun awaitMask() = screen.await("a mask") { screen.isMarked && screen.status.startsWith("Score") }

    private fun positionOf(point: Point): Pair<Int, Int> {
        val (x, y) = screen.photo.toView(point)
        val corner = IntArray(2).also(screen.photo::getLocationInWindow)
        return (x + corner[0]).toInt() to (y + corner[1]).toInt()
    }
}
