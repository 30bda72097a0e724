package org.mobilesam.kit.artifact

import java.io.File
import java.io.InputStream
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.mobilesam.kit.ArtifactException
import org.mobilesam.kit.testing.givenArtifact
import org.robolectric.RobolectricTestRunner

/** An artifact is accepted as `convert` wrote it. Any other is refused with one line that says why. */
@RunWith(RobolectricTestRunner::class)
class ArtifactTest {
    @get:Rule
    val temporary = TemporaryFolder()

    @Test
    fun `files are as the manifest says`() {
        val artifact = givenArtifact()
        assertTrue(artifact.manifest.files.size > 2)
        for ((path, identity) in artifact.manifest.files) assertEquals(path, identity, artifact.identify(path))
    }

    @Test
    fun `models are copied out of the assets once`() {
        val source = givenArtifact()
        val opened = ArrayList<String>()
        val open = { path: String ->
            opened.add(path)
            source.file(path).inputStream() as InputStream
        }
        repeat(2) {
            val installed = Artifact.install(open, folder())
            val encoder = installed.manifest.imageEncoder.file
            assertEquals(source.identify(encoder), installed.identify(encoder))
        }
        val models = listOf(source.manifest.imageEncoder.file, source.manifest.maskDecoder.file)
        assertEquals(listOf("manifest.json") + models + "manifest.json", opened)
    }

    @Test
    fun `an empty folder of assets is reported`() =
        refuses("The model is missing") { throw java.io.FileNotFoundException(it) }

    @Test
    fun `a damaged model is refused, and nothing is left behind`() {
        val source = givenArtifact()
        refuses("${source.manifest.maskDecoder.file} is not what its manifest says") { path ->
            if (path == source.manifest.maskDecoder.file) "nonsense".byteInputStream() else source.file(path).inputStream()
        }
    }

    @Test
    fun `a manifest without its models is refused`() {
        val source = givenArtifact()
        refuses("is missing") { path ->
            if (path == "manifest.json") source.file(path).inputStream() else throw java.io.FileNotFoundException(path)
        }
    }

    @Test
    fun `an artifact for the other platform is refused`() =
        refusesManifest("its format is 'coreml'") { it.put("format", "coreml") }

    @Test
    fun `a manifest of another schema is refused`() =
        refusesManifest("its schema is 'other'") { it.put("schema", "other") }

    @Test
    fun `a model of another frame is refused`() =
        refusesManifest("has other inputs") { it.getJSONObject("preprocessing").put("frame_size", 64) }

    @Test
    fun `a model of other prompts is refused`() = refusesManifest("has other inputs") { it.put("prompt_slots", 3) }

    @Test
    fun `a manifest that lacks something is refused`() =
        refusesManifest("is damaged") { it.getJSONObject("prompts").getJSONObject("labels").remove("empty_slot") }

    @Test
    fun `a choice of masks that are not there is refused`() =
        refusesManifest("contradicts itself") { it.getJSONObject("masks").put("single_mask_index", 4) }

    @Test
    fun `paths that leave the folder are refused`() =
        refusesManifest("outside its folder") { manifest ->
            val files = manifest.getJSONObject("files")
            files.put("../elsewhere", files.getJSONObject(files.keys().next()))
        }

    @Test
    fun `a file that is not a manifest is refused`() = refuses("is damaged") { "{".byteInputStream() }

    private fun refusesManifest(expected: String, change: (JSONObject) -> Unit) {
        val manifest = JSONObject(givenArtifact().file("manifest.json").readText()).also(change).toString()
        refuses(expected) { manifest.byteInputStream() }
    }

    private fun refuses(expected: String, open: (String) -> InputStream) {
        val error = assertThrows(ArtifactException::class.java) { Artifact.install(open, folder()) }
        assertTrue("${error.message}", expected in error.message.orEmpty())
        assertFalse("${error.message}", '\n' in error.message.orEmpty())
        assertEquals(emptyList<String>(), temporary.root.list().orEmpty().toList())
    }

    private fun folder() = File(temporary.root, "artifact")
}
