package org.mobilesam.kit.artifact

import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.security.MessageDigest
import org.mobilesam.kit.ArtifactException

/**
 * An artifact that `convert torchscript` wrote, in a folder of the device.
 *
 * @property folder the folder with `manifest.json` and the files that it lists.
 */
class Artifact private constructor(val folder: File, val manifest: Manifest) {
    /** The artifact's file at [path]. */
    fun file(path: String) = File(folder, path)

    /** Size and SHA-256 of the file at [path], as it is on this device. */
    fun identify(path: String): FileIdentity = identify(file(path))

    companion object {
        private const val MISSING =
            "The model is missing: copy what 'convert torchscript' wrote into app/src/main/assets/artifact, and build again."

        /**
         * Open the artifact in [folder].
         *
         * @throws ArtifactException there is no artifact, or it is damaged or does not fit the app.
         */
        fun open(folder: File): Artifact {
            val manifest = try {
                Manifest.parse(File(folder, Manifest.FILE).readText())
            } catch (error: IOException) {
                throw ArtifactException("No artifact can be read at $folder: ${Manifest.FILE} is missing.", error)
            }
            return Artifact(folder, manifest)
        }

        /**
         * Copy the artifact from the app's assets to [folder], if it is not there yet. Assets have no paths, and the
         * runtime loads models by their paths.
         *
         * Goldens are not copied. Every copied file is checked against the manifest.
         *
         * @param openAsset opens a file of the artifact by its path below the manifest's folder.
         * @throws ArtifactException the assets have no artifact, or one that does not fit the app.
         */
        fun install(openAsset: (String) -> InputStream, folder: File): Artifact {
            val json = try {
                openAsset(Manifest.FILE).use { it.readBytes() }
            } catch (error: FileNotFoundException) {
                throw ArtifactException(MISSING, error)
            }
            val manifest = Manifest.parse(json.decodeToString())
            val installed = File(folder, Manifest.FILE)
            if (installed.isFile && installed.readBytes().contentEquals(json)) return Artifact(folder, manifest)

            folder.deleteRecursively() // an earlier artifact
            val partial = File(folder.path + ".partial")
            partial.deleteRecursively()
            try {
                for (path in listOf(manifest.imageEncoder.file, manifest.maskDecoder.file)) {
                    copy(path, openAsset, File(partial, path), manifest.files.getValue(path))
                }
                File(partial, Manifest.FILE).writeBytes(json)
                if (!partial.renameTo(folder)) throw ArtifactException("The model cannot be stored at $folder.")
            } finally {
                partial.deleteRecursively()
            }
            return Artifact(folder, manifest)
        }

        private fun copy(path: String, openAsset: (String) -> InputStream, target: File, expected: FileIdentity) {
            target.parentFile?.mkdirs()
            try {
                openAsset(path).use { input -> target.outputStream().use { input.copyTo(it) } }
            } catch (error: FileNotFoundException) {
                throw ArtifactException("The model is incomplete: $path is missing. Copy the artifact again.", error)
            } catch (error: IOException) {
                throw ArtifactException("The model cannot be stored: ${error.message}. Free some space.", error)
            }
            if (identify(target) != expected) {
                throw ArtifactException("The model is damaged: $path is not what its manifest says. Copy the artifact again.")
            }
        }

        private fun identify(file: File): FileIdentity {
            val digest = MessageDigest.getInstance("SHA-256")
            val buffer = ByteArray(1 shl 16)
            file.inputStream().use { input ->
                generateSequence { input.read(buffer).takeIf { it >= 0 } }.forEach { digest.update(buffer, 0, it) }
            }
            return FileIdentity(file.length(), digest.digest().joinToString("") { "%02x".format(it) })
        }
    }
}
