package org.mobilesam.kit.engine

import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilesam.kit.arithmetic.FrameGeometry
import org.mobilesam.kit.arithmetic.MaskResizer
import org.mobilesam.kit.arithmetic.RunLengthEncoding
import org.mobilesam.kit.platform.BitmapPhoto
import org.mobilesam.kit.platform.PhotoReader
import org.mobilesam.kit.regression.Goldens
import org.mobilesam.kit.testing.RecordedEngine
import org.mobilesam.kit.testing.givenArtifact
import org.robolectric.RobolectricTestRunner

/** From a photo's file to its mask, as in an app, with an artifact's goldens in place of the models. */
@RunWith(RobolectricTestRunner::class)
class GoldensTest {
    @Test
    fun `all masks of the goldens are the reference masks`() {
        val artifact = givenArtifact()
        val manifest = artifact.manifest
        for (case in Goldens.read(artifact).cases) {
            val resizer = MaskResizer(FrameGeometry(case.photo.size, manifest.frameSize), manifest.lowResSize)
            val answer = DecoderAnswer(case.lowResMasks(), case.scores)
            val masks = case.scores.indices.map { resizer.mask(answer.lowResMask(it), manifest.threshold) }
            assertEquals(case.name, case.masks, masks.map(RunLengthEncoding::of))
        }
    }

    @Test
    fun `the segmenter shows the reference masks`() {
        val artifact = givenArtifact()
        val goldens = Goldens.read(artifact)
        val manifest = artifact.manifest
        Segmenter(manifest, { RecordedEngine(artifact, goldens) }, Runnable::run).use { segmenter ->
            for (photo in goldens.photos) {
                val bitmapPhoto = BitmapPhoto(PhotoReader(2 * manifest.frameSize).read(photo.file::inputStream))
                assertEquals(photo.size, bitmapPhoto.size)
                await { segmenter.setPhoto({ bitmapPhoto }, it) }
                for (case in goldens.cases.filter { it.photo == photo }) {
                    val prompt = case.prompt(case.maskFrom?.lowResMasks())
                    val answer = await { segmenter.segment(prompt, it) }
                    val index = manifest.maskChoice.shown(prompt, case.scores)
                    assertEquals(case.name, case.masks[index], RunLengthEncoding.of(answer.mask))
                    assertEquals(case.scores[index], answer.score, 0f)
                }
            }
            assertTrue(goldens.cases.isNotEmpty())
        }
    }

    private fun <T> await(ask: ((Result<T>) -> Unit) -> Unit): T {
        val results = LinkedBlockingQueue<Result<T>>()
        ask(results::put)
        return checkNotNull(results.poll(60, TimeUnit.SECONDS)) { "no answer" }.getOrThrow()
    }
}
