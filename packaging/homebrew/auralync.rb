# For Macs, and for Linux where Homebrew is used: built from source, with what it plays through.
class Auralync < Formula
  desc "One PC plays; everybody around listens on their own headphones, in step"
  homepage "https://auralync.example"
  url "https://auralync.example/0.9.0/auralync-0.9.0.crate"
  version "0.9.0"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "MIT"

  depends_on "rust" => :build

  on_linux do
    depends_on "pkgconf" => :build
    depends_on "alsa-lib"
  end

  def install
    system "cargo", "run", "--locked", "--example", "reference", "--", "reference"
    system "cargo", "install", *std_cargo_args
    man1.install Dir["reference/man/*.1"]
    %w[auralync-server auralync-client].each do |program|
      bash_completion.install "reference/completions/bash/#{program}.bash" => program
      zsh_completion.install "reference/completions/zsh/_#{program}"
      fish_completion.install "reference/completions/fish/#{program}.fish"
    end
  end

  # With the session: brew services start auralync
  service do
    run opt_bin/"auralync-client"
    keep_alive successful_exit: false
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/auralync-server --version")
    assert_match version.to_s, shell_output("#{bin}/auralync-client --version")
  end
end
