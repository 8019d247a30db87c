// Runs the sections of the file named by the first argument, and prints what came of them as the last line, in JSON.
const { sections } = await import(new URL(process.argv[2], import.meta.url));
const results = [];
for (const { title, what, run } of sections) {
  const start = performance.now();
  try {
    results.push({ title, what, figures: await run(), seconds: (performance.now() - start) / 1_000 });
  } catch (error) {
    results.push({
      title,
      what,
      figures: [],
      error: error?.stack ?? String(error),
      seconds: (performance.now() - start) / 1_000,
    });
  }
}
console.log(JSON.stringify(results));
