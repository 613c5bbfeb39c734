import { useEffect, useRef, useState } from 'preact/hooks';
import { addressOf } from './api.ts';
import { FailureNote, Switch } from './controls.tsx';
import { failureOf, useShared } from './state.ts';

type Niivue = import('@niivue/niivue').Niivue;

/** Of the crosshair, in parts of the case's size. */
const CROSSHAIR = 0.002;

/** A case as a whole, in slices and in space, by NiiVue (WebGL 2); loaded when it is needed first. */
export function WholeVolume({ caseNumber, channel, name }: { caseNumber: number; channel: number; name: string }) {
  const { about } = useShared();
  const canvas = useRef<HTMLCanvasElement>(null);
  const viewer = useRef<Promise<Niivue> | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const [ready, setReady] = useState<string | null>(null);
  const wanted = `${caseNumber} ${channel}`;
  const [inSpace, setInSpace] = useState(hasGpu);
  const latest = useRef(wanted);
  latest.current = wanted;
  useEffect(() => {
    const element = canvas.current as HTMLCanvasElement;
    viewer.current ??= makeViewer(element);
    const show = async (): Promise<void> => {
      const nv = await (viewer.current as Promise<Niivue>);
      if (latest.current !== wanted) return;
      const url = (part: string): string => new URL(addressOf('volume-nifti', { case: caseNumber, channel, part }), location.href).href;
      await nv.loadVolumes([
        { url: url('image'), name: 'image.nii', colormap: 'gray' },
        { url: url('labels'), name: 'labels.nii', opacity: 0.5 },
      ]);
      const most = Math.max(0, ...about.outlines.map(({ label }) => label));
      const of = (label: number) => about.outlines.find((outline) => outline.label === label);
      const all = Array.from({ length: most + 1 }, (_, label) => of(label));
      nv.volumes[1].setColormapLabel({
        I: all.map((_, label) => label),
        R: all.map((outline) => outline?.colour[0] ?? 0),
        G: all.map((outline) => outline?.colour[1] ?? 0),
        B: all.map((outline) => outline?.colour[2] ?? 0),
        A: all.map((outline) => (outline ? 255 : 0)),
        labels: all.map((outline) => outline?.name ?? ''),
      });
      nv.setCrosshairWidth(
        CROSSHAIR * Math.max(...(nv.volumes[0].dimsRAS ?? [1]).map((size, i) => size * (nv.volumes[0].pixDimsRAS?.[i] ?? 1))),
      );
      nv.updateGLVolume();
      setReady(wanted);
    };
    show().catch(setFailure);
  }, [wanted]);
  useEffect(() => {
    void viewer.current?.then((nv) => showSpace(nv, inSpace));
  }, [inSpace, ready]);
  return (
    <div class="whole-volume" aria-busy={ready !== wanted} data-testid="volume" data-ready={ready === wanted}>
      <FailureNote failure={failure === null ? null : failureOf(failure)} />
      <Switch label="In space" on={inSpace} onChange={setInSpace} />
      <canvas
        ref={canvas}
        tabIndex={0}
        aria-label={`${name} as a whole: three slices and a view in space. Drag to move the crosshair, the wheel goes through slices.`}
      />
    </div>
  );
}

/** Whether the browser draws by hardware: by software, a view in space takes seconds. */
function hasGpu(): boolean {
  const context = document.createElement('canvas').getContext('webgl2');
  const about = context?.getExtension('WEBGL_debug_renderer_info');
  if (!context || !about) return false;
  return !/swiftshader|llvmpipe|software|basic render/i.test(String(context.getParameter(about.UNMASKED_RENDERER_WEBGL)));
}

async function showSpace(nv: Niivue, inSpace: boolean): Promise<void> {
  const { SHOW_RENDER } = await import('@niivue/niivue');
  nv.opts.multiplanarShowRender = inSpace ? SHOW_RENDER.ALWAYS : SHOW_RENDER.NEVER;
  nv.drawScene();
}

async function makeViewer(canvas: HTMLCanvasElement): Promise<Niivue> {
  const { Niivue, SHOW_RENDER, SLICE_TYPE, MULTIPLANAR_TYPE } = await import('@niivue/niivue');
  const nv = new Niivue({
    backColor: [0, 0, 0, 1],
    crosshairColor: [0.42, 0.66, 1, 0.8],
    isColorbar: false,
    show3Dcrosshair: true,
    isOrientationTextVisible: true,
    multiplanarShowRender: SHOW_RENDER.NEVER,
    multiplanarLayout: MULTIPLANAR_TYPE.ROW,
    sliceType: SLICE_TYPE.MULTIPLANAR,
    loadingText: '',
    dragAndDropEnabled: false,
    logLevel: 'error',
  });
  await nv.attachToCanvas(canvas);
  return nv;
}
