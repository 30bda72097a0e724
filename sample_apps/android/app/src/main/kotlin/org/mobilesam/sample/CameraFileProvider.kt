package org.mobilesam.sample

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Context
import android.database.Cursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import java.io.File
import java.io.FileNotFoundException

/**
 * Gives the camera app one file to write a photo to. The camera app can open no other file, and this one only while it
 * has the permission.
 */
class CameraFileProvider : ContentProvider() {
    override fun onCreate() = true

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        if (uri != URI) throw FileNotFoundException("$uri")
        return ParcelFileDescriptor.open(file(checkNotNull(context)), ParcelFileDescriptor.parseMode(mode))
    }

    override fun getType(uri: Uri) = "image/jpeg"

    override fun query(
        uri: Uri,
        projection: Array<String>?,
        selection: String?,
        selectionArgs: Array<String>?,
        sortOrder: String?,
    ): Cursor? = null

    override fun insert(uri: Uri, values: ContentValues?): Uri? = null

    override fun update(uri: Uri, values: ContentValues?, selection: String?, selectionArgs: Array<String>?) = 0

    override fun delete(uri: Uri, selection: String?, selectionArgs: Array<String>?) = 0

    companion object {
        /** The file's address, for the camera app. */
        val URI: Uri = Uri.parse("content://org.mobilesam.sample.camera/photo.jpg")

        /** The file's path, for this app. */
        fun file(context: Context) = File(context.cacheDir, "photo.jpg")
    }
}
