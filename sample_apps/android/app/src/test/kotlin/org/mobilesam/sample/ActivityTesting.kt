package org.mobilesam.sample

import android.app.Activity
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.Canvas
import android.net.Uri
import android.os.Looper
import android.os.SystemClock
import android.view.MotionEvent
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.TextView
import java.io.File
import java.io.InputStream
import java.time.Duration
import org.mobilesam.kit.arithmetic.Point
import org.mobilesam.kit.artifact.Artifact
import org.mobilesam.kit.engine.Engine
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf

/**
 * The app with a stand-in for the runtime. Assets are read from the source folder, because they are not packed here.
 */
open class GivenApplication : SampleApplication() {
    /** Opens a file of the artifact. */
    var open: (String) -> InputStream = { File("src/main/assets/artifact", it).inputStream() }

    /** Loads the engine. */
    var load: (Artifact) -> Engine = { SimilarColors(it.manifest) }

    override fun openModelAsset(path: String) = open(path)

    override fun openEngine(artifact: Artifact) = load(artifact)
}

/** The activity, as a user sees it. */
class Screen {
    private val controller = Robolectric.buildActivity(MainActivity::class.java).setup()
    val activity: MainActivity get() = controller.get()
    val photo: PhotoView get() = find { it is PhotoView } as PhotoView
    val status: String get() = (find { it is TextView && it !is Button } as TextView).text.toString()
    val isMarked: Boolean get() = "An object is marked" in photo.contentDescription

    fun button(label: String) = find { it is Button && it.text == label } as Button

    /** Wait until the screen is as expected. Work in the background goes on meanwhile. */
    fun await(what: String, isSo: () -> Boolean) {
        val end = System.nanoTime() + Duration.ofSeconds(60).toNanos()
        while (!isSo()) {
            check(System.nanoTime() < end) { "waited for $what in vain; the status is '$status'" }
            shadowOf(Looper.getMainLooper()).idle()
            Thread.sleep(5)
        }
    }

    /** Choose [file] in the system's picker. */
    fun choose(file: File) {
        await("the model") { button(Texts.CHOOSE_PHOTO).isEnabled }
        button(Texts.CHOOSE_PHOTO).performClick()
        val asked = checkNotNull(shadowOf(activity).nextStartedActivityForResult).intent
        val uri = Uri.parse("content://photos/${file.name}")
        shadowOf(activity.contentResolver).registerInputStreamSupplier(uri) { file.inputStream() }
        shadowOf(activity).receiveResult(asked, Activity.RESULT_OK, Intent().setData(uri))
    }

    /** Choose [file], and wait until it can be tapped. */
    fun show(file: File) {
        choose(file)
        await("the photo") { status.startsWith(Texts.TAP) }
    }

    fun tap(point: Point) {
        touch(MotionEvent.ACTION_DOWN, point)
        touch(MotionEvent.ACTION_UP, point)
    }

    fun longPress(point: Point) {
        touch(MotionEvent.ACTION_DOWN, point)
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofSeconds(2))
        touch(MotionEvent.ACTION_UP, point)
    }

    fun drag(from: Point, to: Point) {
        touch(MotionEvent.ACTION_DOWN, from)
        touch(MotionEvent.ACTION_MOVE, Point((from.x + to.x) / 2, (from.y + to.y) / 2))
        touch(MotionEvent.ACTION_MOVE, to)
        touch(MotionEvent.ACTION_UP, to)
    }

    fun turn() {
        controller.recreate()
    }

    fun close() {
        controller.pause().stop().destroy()
    }

    fun draw(): Bitmap {
        val root = activity.window.decorView
        return Bitmap.createBitmap(root.width, root.height, Bitmap.Config.ARGB_8888).also { root.draw(Canvas(it)) }
    }

    private fun touch(action: Int, point: Point) {
        val (x, y) = photo.toView(point).let { it.x.toFloat() to it.y.toFloat() }
        val now = SystemClock.uptimeMillis()
        MotionEvent.obtain(now, now, action, x, y, 0).also(photo::dispatchTouchEvent).recycle()
    }

    private fun find(isIt: (View) -> Boolean): View =
        checkNotNull(all(activity.window.decorView).find(isIt)) { "no such view" }

    private fun all(view: View): Sequence<View> = sequence {
        yield(view)
        if (view is ViewGroup) for (index in 0 until view.childCount) yieldAll(all(view.getChildAt(index)))
    }
}
