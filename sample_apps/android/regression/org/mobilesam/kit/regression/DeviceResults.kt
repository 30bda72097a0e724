package org.mobilesam.kit.regression

import java.io.File
import java.io.IOException
import java.time.Instant
import java.time.temporal.ChronoUnit
import org.json.JSONArray
import org.json.JSONObject
import org.mobilesam.kit.artifact.Artifact
import org.mobilesam.kit.artifact.Manifest

/** The limits that every golden case has to meet. */
class CaseLimits(val minIou: Double, val maxScoreDifference: Double)

/**
 * The result of a golden case.
 *
 * @property maskIous IoU of each mask with the golden mask.
 * @property maxScoreDifference largest absolute difference between a score and the golden score.
 */
class DeviceCase(val name: String, val maskIous: List<Double>, val maxScoreDifference: Double, limits: CaseLimits) {
    /** A comparison with NaN is false, so that a NaN makes the case fail. */
    val passed = maskIous.all { it >= limits.minIou } && maxScoreDifference <= limits.maxScoreDifference
}

/** Milliseconds of a stage: of its first run, and of every run after the warm-up. */
class DeviceStageTimes(val first: Double, var steady: List<Double> = emptyList())

/** The phone's state. It says whether times that were taken are valid. */
class DeviceState(val thermalState: String, val batterySaver: Boolean)

/** `device` of docs/device-results.md. */
class DeviceIdentity(val model: String, val osVersion: String)

/**
 * `app` of docs/device-results.md.
 *
 * @property name the application identifier.
 * @property runtime name and version of what ran the artifact.
 */
class AppIdentity(val name: String, val version: String, val runtime: String)

/**
 * The document of docs/device-results.md, as far as it is filled in.
 *
 * @param threads number of threads that compute.
 * @property step the step that is being run. If the test ends early, it says where and why. It is null when all is
 *   done.
 */
class DeviceResults(
    private val device: DeviceIdentity,
    private val app: AppIdentity,
    private val threads: Int,
    private val artifact: Artifact,
    private val limits: CaseLimits,
    private val peakBefore: Long,
    private val before: DeviceState,
) {
    private val startedAt = Instant.now().truncatedTo(ChronoUnit.SECONDS)
    private val files = artifact.manifest.files.keys.associateWith(artifact::identify)
    val cases = ArrayList<DeviceCase>()
    val load = ArrayList<Double>()
    val stages = linkedMapOf<String, DeviceStageTimes?>(IMAGE_ENCODER to null, MASK_DECODER to null, END_TO_END to null)
    var peakAfter: Long? = null
    var after: DeviceState? = null
    var step: String? = null

    /**
     * Write the document, and replace an earlier one. The file is never half written.
     *
     * @throws IOException the file cannot be written.
     */
    fun write(file: File) {
        val partial = File(file.path + ".partial")
        partial.writeText(toJson().toString(1) + "\n")
        if (!partial.renameTo(file)) throw IOException("$file cannot be written")
    }

    private fun toJson() = record(
        "schema" to SCHEMA,
        "started_at" to startedAt.toString(),
        "device" to record(
            "platform" to "android",
            "model" to line(device.model),
            "os_version" to line(device.osVersion),
        ),
        "app" to record(
            "name" to line(app.name),
            "version" to line(app.version),
            "runtime" to app.runtime,
        ),
        "compute" to record("unit" to "cpu", "threads" to threads),
        "artifact" to record(
            "model" to artifact.manifest.model,
            "format" to Manifest.FORMAT,
            "scheme" to artifact.manifest.scheme,
            "checkpoint_sha256" to artifact.manifest.checkpoint.sha256,
            "files" to JSONObject(files.mapValues { record("bytes" to it.value.bytes, "sha256" to it.value.sha256) }),
        ),
        "limits" to record(
            "min_iou" to limits.minIou,
            "max_score_difference" to limits.maxScoreDifference,
        ),
        "cases" to JSONArray(cases.map(::toJson)),
        "milliseconds" to times(),
        // The kernel counts pages in batches, so that a later peak can read slightly lower than an earlier one.
        "memory" to record("peak_before" to peakBefore, "peak_after" to peakAfter?.coerceAtLeast(peakBefore)),
        "before" to toJson(before),
        "after" to after?.let(::toJson),
        "failure" to step?.let(::line),
    )

    private fun times(): JSONObject {
        val times = record("load" to JSONArray(load))
        for ((name, stage) in stages) {
            val record = stage?.let { record("first" to it.first, "steady" to JSONArray(it.steady)) }
            times.put(name, record ?: JSONObject.NULL)
        }
        return times
    }

    private fun toJson(result: DeviceCase) = record(
        "name" to result.name,
        "mask_ious" to JSONArray(result.maskIous),
        "max_score_difference" to result.maxScoreDifference.takeIf { it.isFinite() },
        "passed" to result.passed,
    )

    private fun toJson(state: DeviceState) =
        record("thermal_state" to state.thermalState, "battery_saver" to state.batterySaver)

    private fun record(vararg fields: Pair<String, Any?>) = JSONObject().apply {
        for ((name, value) in fields) put(name, value ?: JSONObject.NULL)
    }

    companion object {
        const val IMAGE_ENCODER = "image_encoder"
        const val MASK_DECODER = "mask_decoder"
        const val END_TO_END = "end_to_end"
        private const val SCHEMA = "mobile-sam-export/device-results/1"
        private const val MOST_CHARACTERS = 300

        /** [text] as one line of printable ASCII characters. */
        fun line(text: String): String =
            text.map { if (it.code in 0x20..0x7E) it else '?' }.joinToString("").take(MOST_CHARACTERS).ifBlank { "unknown" }
    }
}
