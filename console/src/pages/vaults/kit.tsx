import { useMutation } from '@tanstack/react-query'
import { CircleCheck, Download, OctagonAlert } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { call, file } from '../../api/request'
import { Button } from '../../ui/button'
import { AsCli, command } from '../../ui/cli'
import { Dialog } from '../../ui/dialog'
import { Field } from '../../ui/field'
import { ErrorState } from '../../ui/states'
import type { OfVault } from './acts'
import { secretOf } from './rules'

function save(content: Blob, name: string) {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(content)
  link.download = name
  link.click()
  URL.revokeObjectURL(link.href)
}

export function TakeKit({ vault, onClose }: OfVault) {
  const { t } = useTranslation()
  const take = useMutation({
    mutationFn: () => file('/api/v1/vaults/{vault}/kit', { vault }),
    onSuccess: (kit) => save(kit, `holdfast-recovery-kit-${vault}.zip`),
  })
  return (
    <Dialog
      title={t('kit.title', { name: vault })}
      description={t('kit.lead')}
      onClose={onClose}
      footer={
        <>
          <AsCli text={command('holdfast', 'vault', 'kit', '--vault', vault, '--out', 'recovery-kit')} />
          <span className="flex-1" />
          <Button
            look="primary"
            busy={take.isPending}
            icon={<Download aria-hidden size={14} />}
            onClick={() => take.mutate()}
          >
            {t('kit.take')}
          </Button>
        </>
      }
    >
      <div className="grid gap-3" aria-live="polite">
        {take.error && <ErrorState error={take.error} />}
        <p>{t('kit.danger')}</p>
        {take.isSuccess && <p className="font-medium">{t('kit.taken')}</p>}
      </div>
    </Dialog>
  )
}

/** A kit's secret is short; what is larger is another file and is not read. */
const LARGEST = 1024

export function ProveKit({ vault, onClose }: OfVault) {
  const { t } = useTranslation()
  const prove = useMutation({
    mutationFn: async (chosen: File) => {
      const secret = chosen.size < LARGEST ? secretOf(await chosen.text()) : undefined
      if (!secret) return 'notKit'
      const path = { vault }
      const { proven } = await call('post', '/api/v1/vaults/{vault}/kit/proof', { path, body: { secret } })
      return proven ? 'opens' : 'opensNot'
    },
  })
  return (
    <Dialog title={t('kit.proveTitle', { name: vault })} description={t('kit.proveLead')} onClose={onClose}>
      <div className="grid gap-4" aria-live="polite">
        <Field
          type="file"
          label={t('kit.file')}
          hint={t('kit.fileHint')}
          className="py-1"
          onChange={(event) => {
            const [chosen] = event.target.files ?? []
            if (chosen) prove.mutate(chosen)
          }}
        />
        {prove.error && <ErrorState error={prove.error} />}
        {prove.data && (
          <p className="flex items-center gap-2 font-medium">
            {prove.data === 'opens' ? (
              <CircleCheck aria-hidden size={18} className="shrink-0 text-ok" />
            ) : (
              <OctagonAlert aria-hidden size={18} className="shrink-0 text-danger" />
            )}
            {t(`kit.${prove.data}`)}
          </p>
        )}
      </div>
    </Dialog>
  )
}
