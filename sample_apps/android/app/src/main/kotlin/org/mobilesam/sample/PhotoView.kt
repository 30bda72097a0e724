package org.mobilesam.sample

import android.content.Context
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.graphics.RectF
import android.view.GestureDetector
import android.view.MotionEvent
import android.view.View
import org.mobilesam.kit.arithmetic.PixelSize
import org.mobilesam.kit.arithmetic.Point
import org.mobilesam.kit.arithmetic.Prompt
import org.mobilesam.kit.arithmetic.PromptBox
import org.mobilesam.kit.arithmetic.PromptPoint
import org.mobilesam.kit.screen.PhotoLayout
import org.mobilesam.kit.screen.Touch
import org.mobilesam.kit.screen.adding

/** Shows the photo, the mask over it and the user's prompt, and takes the user's touches. */
class PhotoView(context: Context) : View(context) {
    /** Called with every touch of the photo. */
    var onTouch: ((Touch) -> Unit)? = null

    private var state = ScreenState()
    private var layout: PhotoLayout? = null
    private var drag: Touch.Drag? = null

    private val density = resources.displayMetrics.density
    private val photoPaint = Paint(Paint.FILTER_BITMAP_FLAG)
    private val maskPaint = Paint(Paint.FILTER_BITMAP_FLAG).apply { color = MASK_COLOR }
    private val fill = Paint(Paint.ANTI_ALIAS_FLAG)
    private val line = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        style = Paint.Style.STROKE
        strokeCap = Paint.Cap.ROUND
        color = Color.WHITE
    }

    private val gestures = GestureDetector(
        context,
        object : GestureDetector.SimpleOnGestureListener() {
            override fun onDown(event: MotionEvent) = state.photo != null

            override fun onSingleTapUp(event: MotionEvent): Boolean {
                touch(event, Touch::Tap)
                return true
            }

            override fun onLongPress(event: MotionEvent) = touch(event, Touch::Hold)

            override fun onScroll(down: MotionEvent?, event: MotionEvent, dx: Float, dy: Float): Boolean {
                val layout = layout
                if (down == null || layout == null) return false
                drag = Touch.Drag(layout.toPhoto(onPhoto(layout, down)), layout.toPhoto(onPhoto(layout, event)))
                invalidate()
                return true
            }
        },
    )

    init {
        isFocusable = true
        isClickable = true
    }

    fun show(newState: ScreenState) {
        state = newState
        if (state.photo == null) stopDragging()
        contentDescription = state.photo?.let { Texts.photoDescription(it.width, it.height, state.mask != null) }
            ?: Texts.NO_PHOTO_DESCRIPTION
        fitPhoto()
        invalidate()
    }

    /** Convert a point in pixels of the photo to pixels of this view. */
    fun toView(point: Point): Point {
        val layout = checkNotNull(layout) { "no photo is shown" }
        val onPhoto = layout.toView(point)
        return Point(onPhoto.x + left(layout), onPhoto.y + top(layout))
    }

    override fun onSizeChanged(width: Int, height: Int, oldWidth: Int, oldHeight: Int) = fitPhoto()

    override fun onTouchEvent(event: MotionEvent): Boolean {
        val isHandled = gestures.onTouchEvent(event)
        when (event.actionMasked) {
            MotionEvent.ACTION_UP -> finishDragging()
            MotionEvent.ACTION_CANCEL -> stopDragging()
        }
        return isHandled || state.photo != null
    }

    /** A click by a keyboard or TalkBack has no position. It counts as a tap in the middle of the photo. */
    override fun performClick(): Boolean {
        super.performClick()
        val photo = state.photo ?: return false
        val middle = Point(photo.width / 2.0, photo.height / 2.0)
        onTouch?.invoke(Touch.Tap(middle))
        return true
    }

    override fun onDraw(canvas: Canvas) {
        super.onDraw(canvas)
        val photo = state.photo ?: return
        val topLeft = toView(Point(0.0, 0.0))
        val bottomRight = toView(Point(photo.width.toDouble(), photo.height.toDouble()))
        val area = RectF(topLeft.x.toFloat(), topLeft.y.toFloat(), bottomRight.x.toFloat(), bottomRight.y.toFloat())
        canvas.drawBitmap(photo, null, area, photoPaint)
        state.mask?.let { canvas.drawBitmap(it, null, area, maskPaint) }
        val prompt = shownPrompt()
        prompt.box?.let { drawBox(canvas, it) }
        prompt.points.forEach { drawPoint(canvas, it) }
    }

    /** The prompt with the box that the user is drawing. */
    private fun shownPrompt(): Prompt = drag?.let { state.prompt.adding(it) } ?: state.prompt

    private fun fitPhoto() {
        layout = state.photo?.let { PhotoLayout(PixelSize(it.height, it.width), width.toDouble(), height.toDouble()) }
    }

    /** Left edge of the photo, which lies in the middle of this view. */
    private fun left(layout: PhotoLayout) = (width - layout.width) / 2

    /** Top edge of the photo. */
    private fun top(layout: PhotoLayout) = (height - layout.height) / 2

    /** Where on the photo's part of the screen a finger is. Beside the photo, coordinates are negative or too large. */
    private fun onPhoto(layout: PhotoLayout, event: MotionEvent) = Point(event.x - left(layout), event.y - top(layout))

    private fun touch(event: MotionEvent, meaning: (Point) -> Touch) {
        val layout = layout ?: return
        val at = onPhoto(layout, event)
        if (at.x in 0.0..layout.width && at.y in 0.0..layout.height) onTouch?.invoke(meaning(layout.toPhoto(at)))
    }

    private fun finishDragging() {
        val finished = drag
        stopDragging()
        // A line is no box.
        if (finished != null && finished.corner.x != finished.opposite.x && finished.corner.y != finished.opposite.y) {
            onTouch?.invoke(finished)
        }
    }

    private fun stopDragging() {
        drag = null
        invalidate()
    }

    private fun drawBox(canvas: Canvas, box: PromptBox) {
        val topLeft = toView(box.topLeft)
        val bottomRight = toView(box.bottomRight)
        line.strokeWidth = 2 * density
        canvas.drawRect(
            topLeft.x.toFloat(),
            topLeft.y.toFloat(),
            bottomRight.x.toFloat(),
            bottomRight.y.toFloat(),
            line,
        )
    }

    /** Draw a plus on the object and a minus on the background, because not everyone can tell the colors apart. */
    private fun drawPoint(canvas: Canvas, point: PromptPoint) {
        val (x, y) = toView(point.point).let { it.x.toFloat() to it.y.toFloat() }
        val arm = 4 * density
        fill.color = if (point.isObject) OBJECT_COLOR else BACKGROUND_COLOR
        line.strokeWidth = 2 * density
        canvas.drawCircle(x, y, 9 * density, fill)
        canvas.drawCircle(x, y, 9 * density, line)
        canvas.drawLine(x - arm, y, x + arm, y, line)
        if (point.isObject) canvas.drawLine(x, y - arm, x, y + arm, line)
    }

    private companion object {
        val MASK_COLOR = Color.argb(140, 30, 110, 255)
        val OBJECT_COLOR = Color.rgb(0, 120, 60)
        val BACKGROUND_COLOR = Color.rgb(190, 20, 40)
    }
}
