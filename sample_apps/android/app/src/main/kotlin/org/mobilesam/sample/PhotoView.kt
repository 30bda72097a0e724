package org.mobilesam.sample

import android.content.Context
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Matrix
import android.graphics.Paint
import android.graphics.RectF
import android.view.GestureDetector
import android.view.MotionEvent
import android.view.View
import org.mobilesam.kit.arithmetic.Point
import org.mobilesam.kit.arithmetic.PromptBox
import org.mobilesam.kit.arithmetic.PromptPoint

/** Shows the photo, the mask over it and the user's prompts, and turns touches into taps and boxes. */
class PhotoView(context: Context) : View(context) {
    /** Called with every tap, long press and box, in pixels of the photo. */
    var onStep: ((PromptHistory.Step) -> Unit)? = null

    private var state = ScreenState()
    private val photoToView = Matrix()
    private var dragFrom: Point? = null
    private var dragTo: Point? = null

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
                point(event, isObject = true)
                return true
            }

            override fun onLongPress(event: MotionEvent) = point(event, isObject = false)

            override fun onScroll(down: MotionEvent?, event: MotionEvent, dx: Float, dy: Float): Boolean {
                if (down == null) return false
                dragFrom = insidePhoto(down)
                dragTo = insidePhoto(event)
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
        contentDescription = state.photo?.let { Texts.photoDescription(it.width, it.height, state.overlay != null) }
            ?: Texts.NO_PHOTO_DESCRIPTION
        fitPhoto()
        invalidate()
    }

    /** Convert a point in pixels of the photo to pixels of this view: x, then y. */
    fun toView(point: Point): FloatArray =
        floatArrayOf(point.x.toFloat(), point.y.toFloat()).also(photoToView::mapPoints)

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
        onStep?.invoke(PromptHistory.Step.Tap(PromptPoint(middle, isObject = true)))
        return true
    }

    override fun onDraw(canvas: Canvas) {
        super.onDraw(canvas)
        val photo = state.photo ?: return
        canvas.drawBitmap(photo, photoToView, photoPaint)
        state.overlay?.let { canvas.drawBitmap(it, photoToView, maskPaint) }
        val dragged = draggedBox()
        (dragged ?: state.prompts.box)?.let { drawBox(canvas, it) }
        state.prompts.points.forEach { drawPoint(canvas, it) }
    }

    private fun fitPhoto() {
        val photo = state.photo ?: return
        val from = RectF(0f, 0f, photo.width.toFloat(), photo.height.toFloat())
        val to = RectF(0f, 0f, width.toFloat(), height.toFloat())
        photoToView.setRectToRect(from, to, Matrix.ScaleToFit.CENTER)
    }

    private fun point(event: MotionEvent, isObject: Boolean) {
        val photo = state.photo ?: return
        val at = toPhoto(event)
        if (at.x < 0 || at.y < 0 || at.x > photo.width || at.y > photo.height) return
        onStep?.invoke(PromptHistory.Step.Tap(PromptPoint(at, isObject)))
    }

    private fun finishDragging() {
        val box = draggedBox()
        stopDragging()
        if (box != null && box.topLeft.x < box.bottomRight.x && box.topLeft.y < box.bottomRight.y) {
            onStep?.invoke(PromptHistory.Step.Drag(box))
        }
    }

    private fun stopDragging() {
        dragFrom = null
        dragTo = null
        invalidate()
    }

    private fun draggedBox(): PromptBox? {
        val from = dragFrom ?: return null
        val to = dragTo ?: return null
        return PromptBox(Point(minOf(from.x, to.x), minOf(from.y, to.y)), Point(maxOf(from.x, to.x), maxOf(from.y, to.y)))
    }

    private fun insidePhoto(event: MotionEvent): Point? {
        val photo = state.photo ?: return null
        val at = toPhoto(event)
        return Point(at.x.coerceIn(0.0, photo.width.toDouble()), at.y.coerceIn(0.0, photo.height.toDouble()))
    }

    private fun toPhoto(event: MotionEvent): Point {
        val viewToPhoto = Matrix()
        photoToView.invert(viewToPhoto)
        val at = floatArrayOf(event.x, event.y).also(viewToPhoto::mapPoints)
        return Point(at[0].toDouble(), at[1].toDouble())
    }

    private fun drawBox(canvas: Canvas, box: PromptBox) {
        val (left, top) = toView(box.topLeft)
        val (right, bottom) = toView(box.bottomRight)
        line.strokeWidth = 2 * density
        canvas.drawRect(left, top, right, bottom, line)
    }

    /** Draw a plus on the object and a minus on the background, because not everyone can tell the colors apart. */
    private fun drawPoint(canvas: Canvas, point: PromptPoint) {
        val (x, y) = toView(point.point)
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
