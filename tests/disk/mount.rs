//! File systems on disks of ours. Whatever is mounted here is unmounted when its value goes, and its loop device,
//! which is the kernel's own affair, goes with it.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::common::program::{Running, foreign, installed, run};
use crate::common::{happens, skipped, wait_until};
use crate::device::Device;
use crate::image::Image;
use crate::nbd;

/// A kind of file system.
pub struct FileSystem {
    name: &'static str,
    /// How it is made.
    options: &'static [&'static str],
    mebibytes: u64,
    /// Where its superblock is.
    pub superblock: Range<u64>,
}

const FILE_SYSTEMS: [FileSystem; 3] = [
    FileSystem {
        name: "ext4",
        // Blocks as on a large disk, and nothing left to be written later.
        options: &["-b4096", "-Elazy_itable_init=0,lazy_journal_init=0"],
        mebibytes: 96,
        superblock: 0..4096,
    },
    FileSystem {
        name: "xfs",
        options: &[],
        // About the least it takes.
        mebibytes: 320,
        superblock: 0..512,
    },
    FileSystem {
        name: "btrfs",
        options: &[],
        mebibytes: 128,
        superblock: 0x10000..0x11000,
    },
];

impl FileSystem {
    /// The one that `MAILOOP_DISK_FS` names; ext4 by itself.
    pub fn chosen() -> Self {
        let name = env::var("MAILOOP_DISK_FS").unwrap_or("ext4".to_owned());
        let known = FILE_SYSTEMS.into_iter().find(|known| known.name == name);
        known.unwrap_or_else(|| panic!("what is {name}?"))
    }

    /// Whether this machine lets us have disks of our own. If not, it says why.
    pub fn is_possible(&self) -> bool {
        let mkfs = self.mkfs();
        if !installed(&["nbdfuse", "fusermount3", "mount", "umount", &mkfs]) {
            return false;
        }
        let open = |path| OpenOptions::new().read(true).write(true).open(path).err();
        let closed = ["/dev/fuse", "/dev/loop-control"].iter().find_map(open);
        if !geteuid().is_root() {
            return skipped::note(&[skipped::ROOT]);
        }
        closed.is_none() || skipped::note(&[skipped::DEVICES])
    }

    fn mkfs(&self) -> String {
        format!("mkfs.{}", self.name)
    }

    /// A disk with an empty file system.
    pub fn make(&self) -> Image {
        let disk = MemoryFile::new();
        disk.file.set_len(self.mebibytes << 20).unwrap();
        let mut mkfs = foreign(&self.mkfs());
        run(mkfs.arg("-q").args(self.options).arg(disk.path()));
        Image::of_file(&disk.file).unwrap()
    }
}

/// A file that is in memory and in no folder.
pub struct MemoryFile {
    pub file: File,
}

impl MemoryFile {
    pub fn new() -> Self {
        let file = memfd_create("disk", MemfdFlags::CLOEXEC).unwrap();
        Self { file: file.into() }
    }

    /// Where other programs find it.
    pub fn path(&self) -> PathBuf {
        let descriptor = self.file.as_raw_fd();
        PathBuf::from(format!("/proc/{}/fd/{descriptor}", process::id()))
    }
}

/// A file system that can be used, and the folder made for it.
pub struct Mounted {
    path: PathBuf,
    _folder: Option<TempDir>,
}

impl Mounted {
    /// Mounts the disk in the file at `path`.
    pub fn new(path: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        run(foreign("mount")
            .args(["-o", "loop"])
            .arg(path)
            .arg(folder.path()));
        Self {
            path: folder.path().to_owned(),
            _folder: Some(folder),
        }
    }

    /// What somebody has mounted in this folder.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            _folder: None,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&["umount"], &self.path);
    }
}

/// Unmounts at once or, where somebody still has a file open, soon; if all fails, out of everybody's sight.
fn unmount(command: &[&str], folder: &Path) {
    let succeeds = |command: &[&str]| {
        let mut unmount = foreign(command[0]);
        unmount
            .args(&command[1..])
            .arg(folder)
            .stderr(Stdio::null());
        unmount.status().is_ok_and(|status| status.success())
    };
    if !happens(|| succeeds(command)) {
        succeeds(&["umount", "-l"]);
    }
}

/// A [`Device`] of ours with a file system that can be used.
pub struct Disk {
    pub device: Arc<Device>,
    // Dropped in this order.
    mounted: Mounted,
    _file: DeviceFile,
}

impl Disk {
    pub fn new(image: Image) -> Self {
        let device = Arc::new(Device::new(image));
        let file = DeviceFile::new(&device);
        let mounted = Mounted::new(&file.path());
        Self {
            device,
            mounted,
            _file: file,
        }
    }

    /// Where the file system is.
    pub fn path(&self) -> &Path {
        self.mounted.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What is not written yet is written at the speed of memory.
        self.device.delay(Duration::ZERO);
    }
}

/// A [`Device`] as a file.
struct DeviceFile {
    folder: TempDir,
    _nbdfuse: Running,
}

impl DeviceFile {
    fn new(device: &Arc<Device>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        nbd::serve(UnixListener::bind(&socket).unwrap(), device.clone());
        let mountpoint = folder.path().join("fuse");
        fs::create_dir(&mountpoint).unwrap();
        let mut nbdfuse = foreign("nbdfuse");
        nbdfuse
            .arg(mountpoint.join("disk"))
            .arg("--unix")
            .arg(&socket);
        let nbdfuse = Running(nbdfuse.stdin(Stdio::null()).spawn().unwrap());
        let file = Self {
            folder,
            _nbdfuse: nbdfuse,
        };
        wait_until("nbdfuse", || file.path().exists());
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("fuse/disk")
    }
}

impl Drop for DeviceFile {
    fn drop(&mut self) {
        unmount(&["fusermount3", "-u"], &self.folder.path().join("fuse"));
    }
}
