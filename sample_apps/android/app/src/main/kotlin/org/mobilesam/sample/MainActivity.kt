package org.mobilesam.sample

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.ClipData
import android.content.ComponentCallbacks2
import android.content.Intent
import android.content.res.Configuration
import android.os.Bundle
import android.provider.MediaStore
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.LinearLayout
import android.widget.TextView
import android.widget.Toast

/** The app's only screen: a photo, and the mask of the object that the user points at. */
class MainActivity : Activity() {
    private lateinit var session: Session
    private lateinit var photoView: PhotoView
    private lateinit var status: TextView
    private lateinit var choose: Button
    private lateinit var take: Button
    private lateinit var undo: Button
    private lateinit var clear: Button

    override fun onCreate(savedInstanceState: Bundle?) {
        setTheme(if (isNight()) android.R.style.Theme_DeviceDefault_NoActionBar else LIGHT)
        super.onCreate(savedInstanceState)
        session = lastNonConfigurationInstance as? Session ?: Session(application as SampleApplication)
        setContentView(createViews())
        session.listener = ::show
    }

    @Deprecated("Without AndroidX, no view model keeps the session when the phone is rotated.")
    override fun onRetainNonConfigurationInstance(): Any = session

    override fun onDestroy() {
        session.listener = null
        if (!isChangingConfigurations) session.close()
        super.onDestroy()
    }

    override fun onTrimMemory(level: Int) {
        super.onTrimMemory(level)
        // Not when the app is only hidden: choosing a photo hides it.
        if (level != ComponentCallbacks2.TRIM_MEMORY_UI_HIDDEN && level >= RUNNING_LOW) session.releaseMemory()
    }

    @Deprecated("Without AndroidX, there is no other way.")
    override fun onActivityResult(requestCode: Int, resultCode: Int, data: Intent?) {
        super.onActivityResult(requestCode, resultCode, data)
        if (resultCode != RESULT_OK) return
        when (requestCode) {
            CHOOSE_PHOTO -> data?.data?.let { uri ->
                val resolver = applicationContext.contentResolver
                session.openPhoto { resolver.openInputStream(uri) }
            }
            TAKE_PHOTO -> {
                val file = CameraFileProvider.file(applicationContext)
                session.openPhoto(file::inputStream)
            }
        }
    }

    private fun isNight(): Boolean {
        val night = resources.configuration.uiMode and Configuration.UI_MODE_NIGHT_MASK
        return night == Configuration.UI_MODE_NIGHT_YES
    }

    private fun createViews(): View {
        photoView = PhotoView(this).apply { onTouch = session::add }
        status = TextView(this).apply {
            accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE
            setTextAppearance(android.R.style.TextAppearance_DeviceDefault_Medium)
            textSize = STATUS_SP
            minLines = 2
            val space = dp(12)
            setPadding(space, space, space, space)
        }
        choose = button(Texts.CHOOSE_PHOTO) { choosePhoto() }
        take = button(Texts.TAKE_PHOTO) { takePhoto() }
        undo = button(Texts.UNDO, Texts.UNDO_DESCRIPTION) { session.undo() }
        clear = button(Texts.CLEAR, Texts.CLEAR_DESCRIPTION) { session.clear() }
        return LinearLayout(this).apply {
            orientation = LinearLayout.VERTICAL
            addView(row(choose, take))
            addView(photoView, LinearLayout.LayoutParams(ViewGroup.LayoutParams.MATCH_PARENT, 0, 1f))
            addView(status)
            addView(row(undo, clear))
            keepClearOfSystemBars(this)
        }
    }

    private fun row(vararg buttons: Button) = LinearLayout(this).apply {
        buttons.forEach { addView(it, LinearLayout.LayoutParams(0, ViewGroup.LayoutParams.WRAP_CONTENT, 1f)) }
    }

    private fun button(label: String, description: String = label, onClick: () -> Unit) = Button(this).apply {
        text = label
        contentDescription = description
        isAllCaps = false
        minimumHeight = dp(48)
        setOnClickListener { onClick() }
    }

    /** From Android 15 on, apps draw behind the system's bars. */
    @Suppress("DEPRECATION") // Their replacement is newer than Android 8.
    private fun keepClearOfSystemBars(view: View) = view.setOnApplyWindowInsetsListener { _, insets ->
        view.setPadding(
            insets.systemWindowInsetLeft,
            insets.systemWindowInsetTop,
            insets.systemWindowInsetRight,
            insets.systemWindowInsetBottom,
        )
        insets
    }

    private fun show(state: ScreenState) {
        photoView.show(state)
        status.text = state.status
        choose.isEnabled = state.canOpenPhotos
        take.isEnabled = state.canOpenPhotos
        undo.isEnabled = state.prompts.isNotEmpty()
        clear.isEnabled = state.prompts.isNotEmpty()
    }

    private fun choosePhoto() {
        val intent = Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("image/*")
        start(intent, CHOOSE_PHOTO, Texts.NO_PICKER)
    }

    private fun takePhoto() {
        CameraFileProvider.file(this).delete() // The file may have an earlier photo.
        val intent = Intent(MediaStore.ACTION_IMAGE_CAPTURE)
            .putExtra(MediaStore.EXTRA_OUTPUT, CameraFileProvider.URI)
            .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION or Intent.FLAG_GRANT_WRITE_URI_PERMISSION)
        intent.clipData = ClipData.newRawUri(null, CameraFileProvider.URI) // the file that the permissions are for
        start(intent, TAKE_PHOTO, Texts.NO_CAMERA)
    }

    private fun start(intent: Intent, request: Int, missing: String) {
        try {
            @Suppress("DEPRECATION") // Without AndroidX, there is no other way.
            startActivityForResult(intent, request)
        } catch (_: ActivityNotFoundException) {
            Toast.makeText(this, missing, Toast.LENGTH_LONG).show()
        }
    }

    private fun dp(size: Int) = (size * resources.displayMetrics.density).toInt()

    private companion object {
        const val CHOOSE_PHOTO = 1
        const val TAKE_PHOTO = 2
        const val STATUS_SP = 16f
        const val LIGHT = android.R.style.Theme_DeviceDefault_Light_NoActionBar

        @Suppress("DEPRECATION") // Only older systems report it.
        const val RUNNING_LOW = ComponentCallbacks2.TRIM_MEMORY_RUNNING_LOW
    }
}
