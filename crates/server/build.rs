//! Says when to build anew: what the console was built into goes into the binary. It is built by
//! itself (`console/build`), never from here.

fn main() {
    println!("cargo:rerun-if-changed=../../console/dist");
    println!("cargo:rerun-if-changed=build.rs");
}
