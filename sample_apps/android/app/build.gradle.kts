plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "org.mobilesam.sample"
    compileSdk = 36
    defaultConfig {
        applicationId = "org.mobilesam.sample"
        minSdk = 26
        targetSdk = 36
        versionCode = 1
        versionName = "1.0"
        testInstrumentationRunner = "org.mobilesam.sample.RegressionInstrumentation"
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    androidResources { noCompress += "ptl" } // weights do not compress
    // Maven runs all tests on the JVM. On a phone the instrumentation checks the goldens.
    sourceSets.getByName("androidTest").kotlin.srcDir("../regression")
}

kotlin { compilerOptions { jvmTarget = org.jetbrains.kotlin.gradle.dsl.JvmTarget.JVM_17 } }

dependencies { implementation(project(":library")) }
