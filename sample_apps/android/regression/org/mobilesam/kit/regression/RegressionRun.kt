package org.mobilesam.kit.regression

import kotlin.math.abs
import org.mobilesam.kit.arithmetic.Frame
import org.mobilesam.kit.arithmetic.FrameGeometry
import org.mobilesam.kit.arithmetic.MaskResizer
import org.mobilesam.kit.arithmetic.SlotPrompt
import org.mobilesam.kit.artifact.Artifact
import org.mobilesam.kit.engine.DecoderAnswer
import org.mobilesam.kit.engine.Engine
import org.mobilesam.kit.platform.BitmapPhoto
import org.mobilesam.kit.platform.PhotoReader

/**
 * Checks an artifact against its goldens, and times it.
 *
 * @param openEngine loads the artifact's models.
 * @param results the document to fill in.
 * @param onStep called before each step. [results] can be written then.
 */
class RegressionRun(
    private val artifact: Artifact,
    private val openEngine: () -> Engine,
    private val stopwatch: Stopwatch,
    private val limits: CaseLimits,
    private val results: DeviceResults,
    private val onStep: (String) -> Unit,
) {
    private val manifest = artifact.manifest
    private val reader = PhotoReader(Int.MAX_VALUE) // whole photos, as the reference decodes them
    private val goldens = Goldens.read(artifact)

    /** Check all golden cases, and time each stage for at least [runs] runs and at least [seconds] seconds. */
    fun run(runs: Int, seconds: Double) {
        onStep("loading the models")
        lateinit var engine: Engine
        results.load.add(stopwatch.time { engine = openEngine() })
        engine.use {
            val stages = stages(it)
            for ((name, stage) in stages) {
                onStep("running the ${words(name)} for the first time")
                results.stages[name] = DeviceStageTimes(stopwatch.time(stage))
            }
            checkGoldens(it)
            for ((name, stage) in stages) {
                onStep("timing the ${words(name)}")
                results.stages.getValue(name)?.steady = stopwatch.steady(runs, seconds, stage)
            }
        }
    }

    /** One run of each stage, on the first photo. Prompts without a mask input take turns. */
    private fun stages(engine: Engine): Map<String, () -> Unit> {
        val photo = goldens.photos.first()
        val prompts = goldens.cases.filter { it.photo == photo && it.maskFrom == null }.map { it.prompt(null) }
        val geometry = FrameGeometry(photo.size, manifest.frameSize)
        val slotPrompts = prompts.map { SlotPrompt.of(it, geometry, manifest.promptLayout) }
        val frame = frameOf(photo)
        var imageEmbeddings = FloatArray(0)
        var turn = 0
        return linkedMapOf(
            DeviceResults.IMAGE_ENCODER to { imageEmbeddings = engine.encode(frame) },
            DeviceResults.MASK_DECODER to { engine.decode(imageEmbeddings, slotPrompts[turn++ % slotPrompts.size]) },
            DeviceResults.END_TO_END to {
                val number = turn++ % prompts.size
                val answer = engine.decode(engine.encode(frameOf(photo)), slotPrompts[number])
                val index = manifest.maskChoice.shown(prompts[number], answer.scores)
                MaskResizer(geometry, manifest.lowResSize).mask(answer.lowResMask(index), manifest.threshold)
            },
        )
    }

    private fun checkGoldens(engine: Engine) {
        val imageEmbeddings = HashMap<GoldenPhoto, FloatArray>()
        val answers = HashMap<GoldenCase, DecoderAnswer>()
        for (case in goldens.cases) {
            onStep("checking the golden case ${case.name}")
            val geometry = FrameGeometry(case.photo.size, manifest.frameSize)
            val prompt = case.prompt(case.maskFrom?.let { answers.getValue(it).lowResMasks })
            val answer = engine.decode(
                imageEmbeddings.getOrPut(case.photo) { engine.encode(frameOf(case.photo)) },
                SlotPrompt.of(prompt, geometry, manifest.promptLayout),
            )
            answers[case] = answer
            results.cases.add(compare(case, answer, MaskResizer(geometry, manifest.lowResSize)))
        }
    }

    private fun compare(case: GoldenCase, answer: DecoderAnswer, resizer: MaskResizer): DeviceCase {
        check(answer.scores.size == case.scores.size) { "${answer.scores.size} scores: expected ${case.scores.size}" }
        val ious = case.masks.mapIndexed { index, golden ->
            resizer.mask(answer.lowResMask(index), manifest.threshold).iou(golden.decode())
        }
        val differences = case.scores.indices.map { abs(answer.scores[it].toDouble() - case.scores[it]) }
        val largest = if (differences.any { it.isNaN() }) Double.NaN else differences.max()
        return DeviceCase(case.name, ious, largest, limits)
    }

    private fun frameOf(photo: GoldenPhoto) =
        Frame.of(BitmapPhoto(reader.read(photo.file::inputStream)), manifest.frameSize, manifest.paddingRgb)

    private fun words(stage: String) = stage.replace('_', ' ')
}
