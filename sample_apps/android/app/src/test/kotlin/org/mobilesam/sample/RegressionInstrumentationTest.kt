package org.mobilesam.sample

import android.app.Activity
import android.content.Context
import android.content.ContextWrapper
import android.os.Bundle
import android.os.PowerManager
import java.io.File
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilesam.kit.arithmetic.SlotPrompt
import org.mobilesam.kit.artifact.Artifact
import org.mobilesam.kit.engine.DecoderAnswer
import org.mobilesam.kit.engine.Engine
import org.mobilesam.kit.regression.Goldens
import org.mobilesam.kit.testing.RecordedEngine
import org.mobilesam.kit.testing.givenArtifact
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf

/** The phone's regression test, with recorded answers in place of the runtime. */
@RunWith(RobolectricTestRunner::class)
class RegressionInstrumentationTest {
    private val artifact = givenArtifact()
    private val goldens = Goldens.read(artifact)
    private val context: Context = PhoneContext(RuntimeEnvironment.getApplication())

    @Test
    fun `recorded answers pass, and the document is complete`() {
        val run = run()
        assertEquals(run.said, Activity.RESULT_OK, run.code)
        val document = run.document
        assertTrue(document.isNull("failure"))
        val cases = document.getJSONArray("cases").objects()
        assertEquals(goldens.cases.map { it.name }, cases.map { it.getString("name") })
        for (case in cases) {
            assertEquals(List(4) { 1.0 }, case.getJSONArray("mask_ious").doubles())
            assertEquals(0.0, case.getDouble("max_score_difference"), 0.0)
        }
        for (stage in listOf("image_encoder", "mask_decoder", "end_to_end")) {
            val times = document.getJSONObject("milliseconds").getJSONObject(stage)
            assertEquals(List(12) { 1.0 }, times.getJSONArray("steady").doubles()) // 0.012 s of 1 ms each
        }
        store("passed", document)
    }

    @Test
    fun `a wrong mask fails the test`() {
        val run = run { engine -> ChangedEngine(engine, ::withFirstMaskFull) }
        assertEquals(Activity.RESULT_CANCELED, run.code)
        assertTrue(run.said, run.said.startsWith("wrong masks or scores: one_point"))
        assertFalse(run.document.getJSONArray("cases").getJSONObject(0).getBoolean("passed"))
        store("wrong-masks", run.document)
    }

    @Test
    fun `a score that is not a number fails the test`() {
        val run = run { ChangedEngine(it) { answer -> DecoderAnswer(answer.lowResMasks, FloatArray(4) { Float.NaN }) } }
        assertEquals(Activity.RESULT_CANCELED, run.code)
        assertTrue(run.document.getJSONArray("cases").getJSONObject(0).isNull("max_score_difference"))
        store("nan", run.document)
    }

    @Test
    fun `a runtime that gives up leaves what was measured, and says where`() {
        var answers = 0
        val run = run { ChangedEngine(it) { answer -> if (++answers > 4) error("out of luck\nmore") else answer } }
        assertEquals(Activity.RESULT_CANCELED, run.code)
        assertEquals("checking the golden case ${goldens.cases[2].name}: out of luck", run.said)
        assertEquals(run.said, run.document.getString("failure"))
        assertEquals(2, run.document.getJSONArray("cases").length())
        store("gave-up", run.document)
    }

    @Test
    fun `a phone that saves power says so`() {
        shadowOf(context.getSystemService(PowerManager::class.java)).setIsPowerSaveMode(true)
        shadowOf(context.getSystemService(PowerManager::class.java)).setCurrentThermalStatus(2)
        val state = run().document.getJSONObject("before")
        assertTrue(state.getBoolean("battery_saver"))
        assertEquals("moderate", state.getString("thermal_state"))
    }

    @Test
    fun `arguments that are missing or make no sense are refused`() {
        for ((name, value) in listOf("runs" to "many", "runs" to "0", "seconds" to "NaN", "minIou" to "2", "artifact" to null)) {
            val run = run(mapOf(name to value))
            assertEquals(Activity.RESULT_CANCELED, run.code)
            assertTrue(run.said, run.said.startsWith("the argument '$name' is '$value': expected"))
            assertFalse(run.file.exists())
        }
    }

    @Test
    fun `a folder without an artifact is reported`() {
        val run = run(mapOf("artifact" to "/nowhere"))
        assertEquals("No artifact can be read at /nowhere: manifest.json is missing.", run.said)
    }

    private fun run(
        changed: Map<String, String?> = emptyMap(),
        change: (Engine) -> Engine = { it },
    ) = TestedInstrumentation(context) { change(RecordedEngine(it, goldens)) }.apply {
        val arguments = mapOf(
            "artifact" to artifact.folder.path,
            "runs" to "5",
            "seconds" to "0.012",
            "minIou" to "0.9",
            "maxScoreDifference" to "0.05",
        ) + changed
        onCreate(Bundle().apply { arguments.forEach { (name, value) -> putString(name, value) } })
        onStart()
    }

    private fun withFirstMaskFull(answer: DecoderAnswer): DecoderAnswer {
        val changed = answer.lowResMasks.copyOf().apply { fill(1f, 0, size / answer.scores.size) }
        return DecoderAnswer(changed, answer.scores)
    }

    /** Keep the document for `tests/sample_apps/test_android_app.py`, which reads it in Python. */
    private fun store(name: String, document: JSONObject) {
        val folder = File("target/device-results").apply { mkdirs() }
        File(folder, "$name.json").writeText(document.toString())
    }

    private fun JSONArray.objects() = (0 until length()).map(::getJSONObject)

    private fun JSONArray.doubles() = (0 until length()).map(::getDouble)

    /** Robolectric's phone has no folder for external media. */
    private class PhoneContext(base: Context) : ContextWrapper(base) {
        private val folder = File(base.cacheDir, "media")

        @Deprecated("As the method is.")
        override fun getExternalMediaDirs() = arrayOf(folder)
    }

    /** Does what Android does with an instrumentation, and has a clock on which everything takes a millisecond. */
    private class TestedInstrumentation(
        private val context: Context,
        private val open: (Artifact) -> Engine,
    ) : RegressionInstrumentation() {
        var code = Int.MIN_VALUE
        var said = ""
        private var milliseconds = 0L

        @Suppress("DEPRECATION")
        val file = File(context.externalMediaDirs.first(), "device-results.json")
        val document get() = JSONObject(file.readText())

        override fun getTargetContext() = context

        override fun openEngine(artifact: Artifact) = open(artifact)

        override fun nanoTime() = 1_000_000 * milliseconds++

        override fun start() = Unit

        override fun sendStatus(resultCode: Int, results: Bundle) = Unit

        override fun finish(resultCode: Int, results: Bundle) {
            code = resultCode
            said = results.getString(REPORT_KEY_STREAMRESULT).orEmpty()
        }
    }

    private class ChangedEngine(
        private val engine: Engine,
        private val change: (DecoderAnswer) -> DecoderAnswer,
    ) : Engine by engine {
        override fun decode(imageEmbeddings: FloatArray, prompt: SlotPrompt) =
            change(engine.decode(imageEmbeddings, prompt))
    }
}
