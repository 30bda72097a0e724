package org.mobilesam.sample

import android.app.Activity
import android.app.Instrumentation
import android.os.Build
import android.os.Bundle
import android.os.PowerManager
import java.io.File
import org.mobilesam.kit.artifact.Artifact
import org.mobilesam.kit.engine.Engine
import org.mobilesam.kit.platform.LiteEngine
import org.mobilesam.kit.regression.AppIdentity
import org.mobilesam.kit.regression.CaseLimits
import org.mobilesam.kit.regression.DeviceIdentity
import org.mobilesam.kit.regression.DeviceResults
import org.mobilesam.kit.regression.DeviceState
import org.mobilesam.kit.regression.RegressionRun
import org.mobilesam.kit.regression.Stopwatch

/**
 * The regression test for a phone. It fails if a golden case fails. docs/devices.md lists its arguments.
 *
 * It uses neither AndroidX nor JUnit, so that it needs nothing but Android itself.
 */
open class RegressionInstrumentation : Instrumentation() {
    private lateinit var arguments: Bundle

    override fun onCreate(arguments: Bundle?) {
        super.onCreate(arguments)
        this.arguments = arguments ?: Bundle()
        start()
    }

    override fun onStart() {
        super.onStart()
        val problem = try {
            run()
        } catch (error: Throwable) { // adb has to report every error
            reason(error)
        }
        val bundle = Bundle().apply { putString(REPORT_KEY_STREAMRESULT, problem ?: "all golden cases passed") }
        finish(if (problem == null) Activity.RESULT_OK else Activity.RESULT_CANCELED, bundle)
    }

    /** Load the engine that runs the models. */
    protected open fun openEngine(artifact: Artifact): Engine =
        LiteEngine.load(artifact, SampleApplication.THREADS)

    /** A clock in nanoseconds. */
    protected open fun nanoTime(): Long = System.nanoTime()

    /** Run the test, and return what is wrong, or null. */
    private fun run(): String? {
        val folder = File(argument("artifact", "the artifact's folder") { it.ifBlank { null } })
        val runs = argument("runs", "a whole number from 1 on") { text -> text.toIntOrNull()?.takeIf { it >= 1 } }
        val seconds = argument("seconds", "a number from 0 on") { number(it, Double.MAX_VALUE) }
        val limits = CaseLimits(
            argument("minIou", "a number from 0 to 1") { number(it, 1.0) },
            argument("maxScoreDifference", "a number from 0 on") { number(it, Double.MAX_VALUE) },
        )
        val file = resultsFile()
        file.delete() // of an earlier run
        val artifact = Artifact.open(folder)
        val results = DeviceResults(device(), app(), SampleApplication.THREADS, artifact, limits, peakMemory(), state())
        val onStep = { step: String ->
            results.step = step
            results.write(file)
            sendStatus(1, Bundle().apply { putString("step", step) })
        }
        try {
            RegressionRun(artifact, { openEngine(artifact) }, Stopwatch(::nanoTime), limits, results, onStep).run(runs, seconds)
            results.step = null
        } catch (error: Throwable) {
            results.step = "${results.step ?: "reading the goldens"}: ${reason(error)}"
        }
        results.after = state()
        results.peakAfter = peakMemory()
        results.write(file)
        val wrong = results.cases.filterNot { it.passed }.map { it.name }
        return results.step ?: if (wrong.isEmpty()) null else "wrong masks or scores: ${wrong.joinToString()}"
    }

    private fun <T : Any> argument(name: String, expected: String, read: (String) -> T?): T {
        val text = arguments.getString(name)
        return requireNotNull(text?.let(read)) { "the argument '$name' is '$text': expected $expected, as -e $name …" }
    }

    private fun number(text: String, most: Double) = text.toDoubleOrNull()?.takeIf { it in 0.0..most }

    @Suppress("DEPRECATION") // The only folder that the app may write and adb may read on every version of Android.
    private fun resultsFile(): File {
        val folder = checkNotNull(targetContext.externalMediaDirs.firstOrNull()) { "the phone's storage is not there" }
        folder.mkdirs()
        return File(folder, "device-results.json")
    }

    private fun device() = DeviceIdentity(Build.MODEL, Build.VERSION.RELEASE)

    private fun app(): AppIdentity {
        val app = targetContext.packageManager.getPackageInfo(targetContext.packageName, 0)
        return AppIdentity(targetContext.packageName, app.versionName ?: "unknown", LiteEngine.RUNTIME)
    }

    private fun state(): DeviceState {
        val power = checkNotNull(targetContext.getSystemService(PowerManager::class.java))
        val thermal = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            THERMAL_STATES.getOrElse(power.currentThermalStatus) { "unknown" }
        } else {
            "unknown"
        }
        return DeviceState(thermal, power.isPowerSaveMode)
    }

    /** Peak memory of the process so far, in bytes. */
    private fun peakMemory(): Long {
        val line = File("/proc/self/status").useLines { lines -> lines.first { it.startsWith("VmHWM:") } }
        return line.filter(Char::isDigit).toLong() * 1024
    }

    private fun reason(error: Throwable) = error.message?.lineSequence()?.first() ?: error.javaClass.simpleName

    private companion object {
        /** Names of PowerManager's THERMAL_STATUS_… values, in their order. */
        val THERMAL_STATES = listOf("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
    }
}
