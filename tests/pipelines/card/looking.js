// Looks at a page as it is laid out: which boxes of text meet, leave the box that is drawn around them, are cut off, or
// are set too small; how much wider than the screen it is; and which names of regions and summaries stand twice.
globalThis.looking = () => {
  const NEAR = 1.5, SMALLEST = 11;
  const styles = new Map(), clips = new Map();
  const style = element => {
    if (!styles.has(element)) styles.set(element, getComputedStyle(element));
    return styles.get(element);
  };
  const cross = (a, b) => ({
    left: Math.max(a.left, b.left), right: Math.min(a.right, b.right),
    top: Math.max(a.top, b.top), bottom: Math.min(a.bottom, b.bottom),
  });
  // What of an element's inside can be seen: the part of all boxes around it that cut what is outside.
  const clip = element => {
    if (!element || element === document.body || element === document.documentElement)
      return { left: -1e9, right: 1e9, top: -1e9, bottom: 1e9 };
    if (!clips.has(element)) {
      const outer = clip(element.parentElement), found = style(element);
      const cuts = (found.overflowX !== 'visible' || found.overflowY !== 'visible') && !element.ownerSVGElement;
      clips.set(element, cuts ? cross(outer, element.getBoundingClientRect()) : outer);
    }
    return clips.get(element);
  };
  const scrolls = element => /auto|scroll/.test(style(element).overflowX + style(element).overflowY);
  // A box that a reader sees: it has a border or a colour of its own.
  const drawn = element => {
    const found = style(element);
    return (found.borderTopWidth !== '0px' || found.borderBottomWidth !== '0px' ||
      found.backgroundColor !== 'rgba(0, 0, 0, 0)') && found.display !== 'inline';
  };
  const say = (node, rectangle) => {
    const text = node.data.trim().replace(/\s+/g, ' ').slice(0, 50);
    return `“${text}” in <${node.parentElement.tagName.toLowerCase()} class="${node.parentElement.getAttribute('class') || ''}">` +
      ` at ${Math.round(rectangle.left)},${Math.round(rectangle.top)}`;
  };

  const boxes = [], spills = [], small = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest('.unseen, .skip, script, style')) continue;
    if (!parent.checkVisibility({ visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const visible = clip(parent);
    // A box of one pixel hides what only a screen reader is told.
    if (visible.right - visible.left <= NEAR || visible.bottom - visible.top <= NEAR) continue;
    let seen = false;
    for (const whole of range.getClientRects()) {
      if (whole.width < 1 || whole.height < 1) continue;
      const part = cross(whole, visible);
      if (part.right - part.left > NEAR && part.bottom - part.top > NEAR) { boxes.push({ node, ...part }); seen = true; }
      let scrolling = false;
      for (let around = parent; around && around !== document.documentElement; around = around.parentElement) {
        const box = around.getBoundingClientRect();
        const beside = whole.right > box.right + NEAR || whole.left < box.left - NEAR;
        const below = whole.bottom > box.bottom + NEAR || whole.top < box.top - NEAR;
        if (scrolls(around)) { scrolling = true; break; }
        const hides = style(around).overflowX === 'hidden' || style(around).overflowX === 'clip';
        if ((hides || (drawn(around) && !parent.closest('.plot'))) && (beside || below)) {
          spills.push(`leaves <${around.tagName.toLowerCase()} class="${around.getAttribute('class') || ''}">: ${say(node, whole)}`);
          break;
        }
      }
      if (!scrolling && (whole.right + scrollX > innerWidth + NEAR || whole.left + scrollX < -NEAR))
        spills.push(`leaves the screen: ${say(node, whole)}`);
    }
    if (!seen) continue;
    texts += 1;
    const scale = parent.ownerSVGElement && parent.getScreenCTM() ? Math.abs(parent.getScreenCTM().a) : 1;
    const size = parseFloat(style(parent).fontSize) * scale;
    if (size < SMALLEST - 0.01) small.push(`${size.toFixed(1)} px: ${say(node, parent.getBoundingClientRect())}`);
  }

  boxes.sort((a, b) => a.top - b.top);
  const overlaps = [];
  let open = [];
  for (const box of boxes) {
    open = open.filter(other => other.bottom - NEAR > box.top);
    for (const other of open) {
      const both = cross(box, other);
      if (other.node !== box.node && both.right - both.left > NEAR && both.bottom - both.top > NEAR)
        overlaps.push(`meet: ${say(other.node, other)} and ${say(box.node, box)}`);
    }
    open.push(box);
  }

  const nameOf = element => {
    const by = element.getAttribute('aria-labelledby');
    const text = by ? document.getElementById(by)?.textContent : element.getAttribute('aria-label') ?? element.textContent;
    return (text || '').trim().replace(/\s+/g, ' ');
  };
  const names = new Map();
  for (const element of document.querySelectorAll('summary, [role=region], section, nav, [role=img]')) {
    const kind = element.tagName === 'SUMMARY' ? 'summary' : element.getAttribute('role') === 'img' ? 'picture' : 'region';
    const name = `${kind} “${nameOf(element)}”`;
    names.set(name, (names.get(name) || 0) + 1);
  }
  const sameNames = [...names].filter(([, times]) => times > 1).map(([name, times]) => `${times} times the ${name.slice(0, 120)}`);
  return {
    texts, overlaps: [...new Set(overlaps)], spills: [...new Set(spills)], small: [...new Set(small)], sameNames,
    wider: Math.max(0, document.documentElement.scrollWidth - innerWidth),
  };
};
