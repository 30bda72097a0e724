package org.mobilesam.sample
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
@RunWith(RobolectricTestRunner::class)
class SmokeTest { @Test fun x() { println(android.os.Build.VERSION.SDK_INT) } }
