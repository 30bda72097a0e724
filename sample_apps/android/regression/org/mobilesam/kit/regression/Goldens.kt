package org.mobilesam.kit.regression

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject
import org.mobilesam.kit.ArtifactException
import org.mobilesam.kit.arithmetic.PixelSize
import org.mobilesam.kit.arithmetic.Point
import org.mobilesam.kit.arithmetic.Prompt
import org.mobilesam.kit.arithmetic.PromptBox
import org.mobilesam.kit.arithmetic.PromptPoint
import org.mobilesam.kit.arithmetic.RunLengthEncoding
import org.mobilesam.kit.artifact.Artifact

/**
 * A photo of an artifact's goldens.
 *
 * @property file the photo's file.
 */
class GoldenPhoto(val name: String, val file: File, val size: PixelSize, private val embeddings: File) {
    /** Read the reference embeddings of the photo. */
    fun imageEmbeddings(): FloatArray = readFloats(embeddings)
}

/**
 * A prompt and the reference answer.
 *
 * @property points the prompt's points, in pixels of the photo. [box] is in pixels of the photo too.
 * @property maskFrom the case whose mask [maskIndex] is this prompt's mask input, or null.
 * @property pointCoords (N, 2) x, y of each slot, in pixels of the frame.
 * @property pointLabels (N) label of each slot.
 * @property scores the reference's estimate of each mask's IoU.
 * @property masks the reference masks at the photo's size.
 */
class GoldenCase(
    val name: String,
    val photo: GoldenPhoto,
    private val points: List<PromptPoint>,
    private val box: PromptBox?,
    val maskFrom: GoldenCase?,
    private val maskIndex: Int,
    val pointCoords: FloatArray,
    val pointLabels: FloatArray,
    val scores: FloatArray,
    private val lowRes: File,
    val masks: List<RunLengthEncoding>,
) {
    /** Read the (masks, S/4, S/4) logits of the reference. */
    fun lowResMasks(): FloatArray = readFloats(lowRes)

    /** The prompt. Its mask input is taken from [earlier], the low-resolution logits of [maskFrom]. */
    fun prompt(earlier: FloatArray?): Prompt = Prompt(points, box, maskInput(earlier))

    /** The prompt's mask input, taken from [earlier], the low-resolution logits of [maskFrom]. */
    fun maskInput(earlier: FloatArray?): FloatArray? = earlier?.let {
        val size = it.size / scores.size
        it.copyOfRange(maskIndex * size, (maskIndex + 1) * size)
    }
}

/** The photos, prompts and reference answers that an artifact is checked with. */
class Goldens private constructor(val photos: List<GoldenPhoto>, val cases: List<GoldenCase>) {
    companion object {
        private const val SCHEMA = "mobile-sam-export/goldens/1"

        /**
         * Read the goldens of [artifact].
         *
         * @throws ArtifactException they are missing or damaged, or have another schema.
         */
        fun read(artifact: Artifact): Goldens = try {
            Reader(artifact).read()
        } catch (error: JSONException) {
            throw ArtifactException("The goldens are damaged: ${error.message}", error)
        } catch (error: java.io.IOException) {
            throw ArtifactException("The goldens cannot be read: ${error.message}", error)
        }
    }

    private class Reader(private val artifact: Artifact) {
        private val list = artifact.file(artifact.manifest.goldens)
        private val photos = LinkedHashMap<String, GoldenPhoto>()
        private val cases = LinkedHashMap<String, GoldenCase>()

        fun read(): Goldens {
            val root = JSONObject(list.readText())
            if (root.getString("schema") != SCHEMA) throw JSONException("their schema is not $SCHEMA")
            val records = root.getJSONObject("photos")
            for (name in records.keys()) photos[name] = photo(name, records.getJSONObject(name))
            for (record in root.getJSONArray("cases").objects()) cases[record.getString("name")] = case(record)
            return Goldens(photos.values.toList(), cases.values.toList())
        }

        private fun photo(name: String, record: JSONObject) = GoldenPhoto(
            name,
            file(record.getString("file")),
            PixelSize(record.getInt("height"), record.getInt("width")),
            file(record.getJSONObject("image_embeddings").getString("file")),
        )

        private fun case(record: JSONObject): GoldenCase {
            val points = record.getJSONArray("points").arrays().map { Point(it.getDouble(0), it.getDouble(1)) }
            val labels = record.getJSONArray("labels").floats()
            val earlier = record.optJSONObject("mask_input")
            val pointCoords = record.getJSONArray("point_coords").arrays().flatMap { it.floats().toList() }
            return GoldenCase(
                name = record.getString("name"),
                photo = find(photos, record.getString("photo")),
                points = points.zip(labels.toList()) { point, label -> PromptPoint(point, label == 1f) },
                box = record.optJSONArray("box")?.let {
                    PromptBox.of(Point(it.getDouble(0), it.getDouble(1)), Point(it.getDouble(2), it.getDouble(3)))
                },
                maskFrom = earlier?.let { find(cases, it.getString("case")) },
                maskIndex = earlier?.getInt("index") ?: 0,
                pointCoords = pointCoords.toFloatArray(),
                pointLabels = record.getJSONArray("point_labels").floats(),
                scores = record.getJSONArray("iou_predictions").floats(),
                lowRes = file(record.getJSONObject("low_res_masks").getString("file")),
                masks = record.getJSONArray("masks").objects().map(::mask),
            )
        }

        private fun mask(record: JSONObject): RunLengthEncoding {
            val size = record.getJSONArray("size")
            return RunLengthEncoding(PixelSize(size.getInt(0), size.getInt(1)), record.getString("counts"))
        }

        /** A file beside `goldens.json`, which the manifest has to list. */
        private fun file(name: String): File {
            val path = File(File(artifact.manifest.goldens).parent, name).path
            if (path !in artifact.manifest.files) throw JSONException("the manifest does not list $path")
            return artifact.file(path)
        }

        private fun <T> find(known: Map<String, T>, name: String) = known[name] ?: throw JSONException("no '$name'")
    }
}

private fun readFloats(file: File): FloatArray {
    val buffer = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
    return FloatArray(buffer.remaining()).also(buffer::get)
}

private fun JSONArray.floats() = FloatArray(length()) { getDouble(it).toFloat() }

private fun JSONArray.arrays() = (0 until length()).map(::getJSONArray)

private fun JSONArray.objects() = (0 until length()).map(::getJSONObject)
